/** Whether a logged message is the one still waiting for its answer. */
const alike = (mine, logged) => ['type', 'text', 'url', 'label', 'fallback_text'].every((key) => mine[key] === logged[key]);

/** What the visitor writes, chooses and records. */
class Sending extends Events {
  /** Whether this kind of content is carried now; the gateway's own rule. */
  _can(kind) {
    const { state, capabilities } = this._session ?? {};
    const { robot, human, messages_while: also } = capabilities ?? {};
    const carried = (kinds) => ['full', 'converted'].includes(kinds?.[kind]);
    if (!capabilities || state === 'opening') return kind === 'text' || carried(robot) || carried(human);
    if (state === 'robot') return carried(robot);
    return (state === 'human' || also?.includes(state)) && carried(human);
  }

  _send(content, file) {
    const row = this._row({ kind: 'visitor' }, content, file);
    this._queue({ row, content, file, key: newKey(), mediaKey: newKey() });
  }

  /** One after the other, so that the desk reads them in the order of writing. */
  _queue(job) {
    this._status(job.row, 'sending');
    this._pending.push(job);
    this.ui.log.append(job.row);
    this._scroll(true);
    this._tail = this._tail.then(() => this._transmit(job));
  }

  async _transmit(job) {
    const { row, content, file } = job;
    try {
      if ((this._starting || !this._session || this.left) && !(await this._start())) throw new Problem(0, { type: 'provider_error' });
      if (file && !content.url) {
        const media = { body: file, type: file.type || 'application/octet-stream', key: job.mediaKey };
        content.url = (await this._request('POST', '/v1/media', media)).url;
      }
      const { id } = await this._post('messages', { content }, job.key);
      row.retry = () => this._send(content);
      const logged = this._rows.get(id);
      if (logged && logged !== row) row.remove();
      else this._bind(row, id);
    } catch (problem) {
      // A lost answer is asked for again under the same key; a refusal is not an answer.
      row.retry = () => this._queue(job);
      this._status(row, 'failed', this._explain(problem));
    }
    this._settle(job);
  }

  _settle(job) {
    this._pending = this._pending.filter((other) => other !== job);
  }

  async _sendFile(file) {
    const [family, subtype] = file.type.split(/[/;]/);
    const type = this._can(FAMILIES[family]) ? FAMILIES[family] : 'file';
    const content = { type };
    if (type === 'voice' || type === 'video') content.duration_ms = await durationOf(URL.createObjectURL(file));
    if (type === 'voice') content.format = FORMATS[subtype] ?? subtype;
    if (type === 'file') Object.assign(content, { name: file.name, size: file.size });
    this._send(content, file);
  }

  async _record() {
    const microphone = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => this._alert(this.t('no_microphone')));
    if (!microphone) return;
    const recorder = new MediaRecorder(microphone);
    const clock = h('span', { role: 'timer' });
    let seconds = 0;
    const tick = () => { clock.textContent = this.t('recording', seconds++); };
    const ticking = setInterval(tick, 1000);
    let wanted;
    const stop = (send) => {
      wanted ??= send;
      if (recorder.state === 'recording') recorder.stop();
    };
    const bar = h('div', { class: 'pair' }, clock,
      button(this.t('cancel'), { test: 'record-cancel', onclick: () => stop(false) }),
      button(this.t('send'), { test: 'record-send', class: 'primary', onclick: () => stop(true) }));
    recorder.ondataavailable = async ({ data }) => {
      clearInterval(ticking);
      microphone.getTracks().forEach((track) => track.stop());
      bar.replaceWith(this.ui.composer);
      this._focus();
      if (wanted) this._sendFile(await toWav(data).catch(() => data));
    };
    tick();
    recorder.start();
    setTimeout(stop, RECORD_LIMIT, true);
    this.ui.composer.replaceWith(bar);
    bar.lastChild.focus();
  }

  _typed() {
    if (this._session?.state !== 'human' || Date.now() - this._typedAt < TYPING_EVERY) return;
    this._typedAt = Date.now();
    this._request('POST', `${this._path}/typing`).catch(() => {});
  }
}
