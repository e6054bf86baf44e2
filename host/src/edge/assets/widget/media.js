/** Sound and film that a visitor sends. */
/** Recorded sound as 16 kHz mono WAV, which every vendor and browser plays. */
async function toWav(blob) {
  const rate = 16000;
  const context = new AudioContext();
  const buffer = await context.decodeAudioData(await blob.arrayBuffer()).finally(() => context.close());
  const offline = new OfflineAudioContext(1, Math.ceil(buffer.duration * rate), rate);
  const source = new AudioBufferSourceNode(offline, { buffer });
  source.connect(offline.destination);
  source.start();
  const samples = (await offline.startRendering()).getChannelData(0);
  const size = samples.length * 2;
  const words = new Uint32Array([0x46464952, size + 36, 0x45564157, 0x20746d66, 16, 0x10001, rate, rate * 2, 0x100002, 0x61746164, size]);
  return new Blob([words, Int16Array.from(samples, (sample) => Math.max(-1, Math.min(1, sample)) * 32767)], { type: 'audio/wav' });
}

/** How long a sound or film lasts, in milliseconds; 0 when the browser cannot tell. */
function durationOf(src) {
  return new Promise((done) => {
    const finish = () => done(Math.round(media.duration * 1000) || 0);
    const media = h('video', { preload: 'metadata', src, onloadedmetadata: finish, onerror: finish });
    setTimeout(finish, 3000);
  });
}
