/**
 * <kefu-chat>: the gateway's chat window as a custom element.
 *
 *   <script src="https://kefu.example.com/widget.js" defer></script>
 *   <kefu-chat desk="support" token="…" lang="zh"></kefu-chat>
 *
 * It shows what the session's capabilities allow now and never asks which vendor is behind the desk. It keeps no
 * history: the gateway's event log is replayed. Remote text becomes text nodes, remote addresses links only if
 * http(s). It loads nothing and writes no inline style, so a strict content security policy holds.
 *
 * Attributes: gateway (default: this script's origin) desk token lang (zh|en|auto) open heading
 *   group platform app-version channel. Reflected: open, left, state, connection (live|lost).
 * Properties: token, tokenProvider (async () => token), visitor (profile), session.
 *   Methods: open() close() sendText(text) sendCustom({name, payload, fallback_text}).
 * Events: kefu-token-needed (set .token), kefu-session, kefu-event, kefu-error.
 * CSS: --kefu-accent --kefu-on-accent --kefu-font --kefu-z; parts launcher panel header log message bubble line
 *   actions composer sheet button.
 * data-testid: open badge panel close exit title subtitle notice connection log message (data-from, -type, -id,
 *   -status) line suggestion retry typing alert input send emoji attach file-input voice location record-send record-cancel human group group-any leave leave-link rate restart left
 *   sheet (data-kind: exit groups location leave rating emoji) sheet-close exit-confirm location-label
 *   location-latitude location-longitude location-here location-send leave-<key> leave-send star-1…5 tag-0…
 *   resolved-yes resolved-no comment rate-send rate-decline.
 */
(() => {
  'use strict';
  if (customElements.get('kefu-chat')) return;

  const TEXTS = {
    title: ['在线客服', 'Customer service'],
    close: ['关闭', 'Close'],
    exit: ['退出会话', 'Exit chat'],
    send: ['发送', 'Send'],
    input: ['输入消息…', 'Write a message…'],
    emoji: ['表情', 'Emoji'],
    attach: ['发送图片或文件', 'Send a picture or a file'],
    voice: ['录音', 'Record voice'],
    location: ['发送位置', 'Send a location'],
    to_human: ['转人工', 'Talk to a person'],
    leave: ['留言', 'Leave a message'],
    rate: ['评价服务', 'Rate our service'],
    restart: ['开始新会话', 'Start a new chat'],
    resume: ['继续咨询', 'Continue'],
    retry: ['重试', 'Retry'],
    cancel: ['暂不', 'Not now'],
    opening: ['正在接通…', 'Connecting…'],
    robot: ['机器人', 'Robot'],
    queued: ['正在排队', 'Waiting for an agent'],
    place: ['正在排队，第 {} 位', 'Number {} in the queue'],
    human: ['人工客服', 'Agent'],
    unattended: ['暂无客服在线', 'No agent is available'],
    ended: ['会话已结束', 'This chat has ended'],
    you: ['我', 'You'],
    joined: ['{} 为您服务', '{} has joined'],
    gone: ['{} 已离开', '{} has left'],
    transferred: ['已转接给 {}', 'Transferred to {}'],
    typing: ['对方正在输入…', 'Typing…'],
    recalled: ['消息已撤回', 'Message recalled'],
    converted: ['已转为文字', 'Sent as text'],
    sending: ['发送中', 'Sending'],
    failed: ['未送达', 'Not delivered'],
    unknown: ['未确认送达', 'Not confirmed'],
    read: ['已读', 'Read'],
    lost: ['连接已断开，正在重连…', 'Connection lost, reconnecting…'],
    recording: ['正在录音 {} 秒', 'Recording {} s'],
    no_microphone: ['没有麦克风', 'No microphone'],
    sound: ['语音', 'Voice message'],
    unsupported: ['[不支持的消息]', '[unsupported message]'],
    ends: ['会话将结束。', 'This ends the chat.'],
    keeps: ['会话会保留，客服仍可能给您发消息。', 'The chat stays open: the agent may still write to you.'],
    any: ['都可以', 'Anything'],
    place_name: ['地点', 'Place'],
    latitude: ['纬度', 'Latitude'],
    longitude: ['经度', 'Longitude'],
    here: ['使用我的位置', 'Use my position'],
    solved: ['问题解决了吗？', 'Was your problem solved?'],
    yes: ['已解决', 'Yes'],
    no: ['未解决', 'No'],
    stars: ['非常不满意|不满意|一般|满意|非常满意', 'Very unsatisfied|Unsatisfied|Neutral|Satisfied|Very satisfied'],
    comment: ['补充说明', 'Anything to add?'],
    thanks: ['感谢您的评价', 'Thank you for your rating'],
    offer: ['请留言，我们会尽快联系您。', 'Leave a message; we will get back to you.'],
    submitted: ['留言已提交', 'Message left'],
    idle: ['太久没有消息，会话已结束', 'Nobody wrote; this chat has ended'],
    queue_timeout: ['排队超时，会话已结束', 'Nobody was free; this chat has ended'],
    blocked: ['您暂时无法使用在线客服', 'You cannot use this chat'],
    provider_error: ['客服暂时无法接通，请稍后再试', 'Nobody can be reached; please try again later'],
    offline: ['网络不通，请稍后再试', 'You are offline; please try again later'],
    unauthenticated: ['登录已过期，请刷新', 'Your sign-in has expired; please reload'],
    'unsupported-by-provider': ['现在不能发送这种内容', 'This cannot be sent now'],
    'too-large': ['内容太大', 'This is too large'],
    'unsupported-media-type': ['不支持这种文件', 'This file cannot be sent'],
  };

  const EMOJI = '😀 😂 😊 😍 😎 🤔 😅 😭 😡 👍 👎 👌 🙏 👏 🤝 ❤️ 🌹 🎉'.split(' ');

  const ICONS = {
    open: 'M4 5h16v11H9l-5 4z',
    close: 'M6 6l12 12M18 6 6 18',
    exit: 'M10 4H5v16h5M15 8l4 4-4 4M19 12H9',
    send: 'M4 12 20 4l-5 16-4-7z',
    emoji: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8 14s1 2 4 2 4-2 4-2M9 9h.01M15 9h.01',
    attach: 'M20 11l-8 8a5 5 0 0 1-7-7l9-9a3 3 0 0 1 5 5l-9 9a1 1 0 0 1-2-2l8-8',
    voice: 'M9 6a3 3 0 0 1 6 0v5a3 3 0 0 1-6 0zM5 11a7 7 0 0 0 14 0M12 18v3',
    location: 'M12 21s7-6 7-11a7 7 0 0 0-14 0c0 5 7 11 7 11zM12 10h.01',
  };

  const STYLE = `
    :host { --accent: var(--kefu-accent, #17624b); --on: var(--kefu-on-accent, #fff); --soft: #57635d; color: #1b2421;
      font: 15px/1.5 var(--kefu-font, system-ui, sans-serif); }
    [hidden] { display: none !important; }
    :host * { box-sizing: border-box; }
    h2, p, fieldset { margin: 0; padding: 0; border: 0; font-size: 1rem; }
    button, input, textarea { font: inherit; color: inherit; }
    button, .chip, .choices label { min-width: 44px; min-height: 44px; padding: 0 .7rem; border: 0 solid var(--accent); border-radius: 22px; background: none; cursor: pointer; }
    [aria-busy] { opacity: .5; }
    :focus-visible, .choices label:has(:focus-visible) { outline: 3px solid currentColor; outline-offset: -3px; }
    svg { width: 22px; fill: none; stroke: currentColor; stroke-width: 1.8; display: block; margin: auto; }
    .launcher, .panel { position: fixed; right: 20px; bottom: 20px; z-index: var(--kefu-z, 999999); box-shadow: 0 0 30px #0004; }
    .launcher { width: 60px; height: 60px; border-radius: 50%; }
    .badge { position: absolute; top: 0; right: 0; min-width: 22px; border-radius: 22px; background: #b3261e; font-size: .82rem; }
    .panel { width: 380px; height: min(640px, calc(100dvh - 40px)); border-radius: 16px; overflow: clip; background: #fff; animation: rise .2s; }
    .main, .log { display: flex; flex-direction: column; height: 100%; }
    .header, .primary, .launcher, .visitor > .bubble { background: var(--accent); color: var(--on); }
    .header, .notice { display: flex; align-items: center; gap: .6rem; padding: .4rem .4rem .4rem .9rem; }
    .header > div, .notice > :first-child, .pair > * { flex: 1; min-width: 0; }
    .face { width: 32px; height: 32px; border-radius: 50%; object-fit: cover; background: #fff; }
    .notice { background: #fff4dc; color: #5c3b00; }
    .alert { background: #fde8e6; color: #8c1d18; padding: .4rem .9rem; }
    .panel > .alert { position: absolute; inset: 60px 0 auto; z-index: 1; }
    .log { flex: 1; min-height: 0; overflow-y: auto; overscroll-behavior: contain; padding: .9rem; gap: .6rem; }
    .line, .meta, .typing, .subtitle { font-size: .82rem; overflow-wrap: anywhere; }
    .line, .meta, .typing, .tools { color: var(--soft); }
    .line { align-self: center; text-align: center; }
    .typing { padding: 0 .9rem; }
    .message { display: flex; gap: .6rem; max-width: 88%; align-self: flex-start; }
    .message > div { min-width: 0; }
    .bubble { padding: .4rem .9rem; background: #eef2f0; border-radius: 16px; overflow-wrap: anywhere; white-space: pre-wrap; width: fit-content; }
    .bubble :not(a) { display: block; max-width: 100%; max-height: 240px; }
    .bubble a, .notice a { color: inherit; }
    .visitor { text-align: end; }
    [data-from=visitor] { align-self: flex-end; }
    .visitor > .bubble { margin-left: auto; text-align: start; }
    .meta button { text-decoration: underline; }
    .actions, .choices, .pair { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem; }
    .actions, .footer { padding: .4rem; }
    .choices { margin-top: .4rem; }
    .chip, .choices label { border-width: 1px; color: var(--accent); }
    a.chip { line-height: 42px; text-decoration: none; }
    .footer { border-top: 1px solid #dde3df; }
    .tools, .write { display: flex; align-items: flex-end; gap: .2rem; }
    textarea, input:not([type=radio], [type=checkbox]) { width: 100%; min-height: 44px; border: 1px solid var(--soft); border-radius: 10px; padding: .6rem; resize: none; background: #fff; }
    .write textarea { height: 44px; max-height: 120px; field-sizing: content; color: #1b2421; }
    .sheet { position: absolute; inset: auto 0 0; max-height: 92%; overflow-y: auto; padding: .4rem .9rem .9rem; background: #fff; border-radius: 16px 16px 0 0; box-shadow: 0 0 30px #0004; animation: rise .2s; }
    .top { display: flex; align-items: center; justify-content: space-between; }
    form, .sheet, .sheet label { display: grid; gap: .4rem; }
    .choices label { position: relative; place-content: center; }
    .choices input { position: absolute; inset: 0; opacity: 0; }
    .choices label:has(:checked) { background: var(--accent); color: var(--on); }
    .choices.stars label { border: 0; padding: 0; font-size: 2rem; color: var(--soft); background: none; }
    .choices.stars label:has(:checked), .choices.stars label:has(~ label :checked) { color: #c26a00; }
    .quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    @keyframes rise { from { transform: translateY(20px); } }
    @media (max-width: 480px) { .panel { inset: 0; width: auto; height: 100dvh; border-radius: 0; } }
    @media (prefers-reduced-motion: reduce) { :host * { animation: none !important; } }`;

  const ORIGIN = document.currentScript && new URL(document.currentScript.src).origin;
  const TRIES = 6;
  const TYPING_EVERY = 6000;
  const RECORD_LIMIT = 60000;
  const FAMILIES = { image: 'image', audio: 'voice', video: 'video' };
  const FORMATS = { mpeg: 'mp3', 'x-wav': 'wav', wave: 'wav', mp4: 'm4a', 'x-m4a': 'm4a' };

  const pathOf = (id) => `/v1/sessions/${encodeURIComponent(id)}`;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  // Not randomUUID, which plain http pages do not have.
  const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join('-');

  /** Makes an element; `test` becomes data-testid, onclick and the like listeners. */
  function h(tag, props, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(props)) {
      if (value == null || value === false) continue;
      if (key === 'test') node.dataset.testid = value;
      else if (key === 'class') node.className = value;
      else if (key in node) node[key] = value;
      else node.setAttribute(key, value);
    }
    node.append(...children.filter(Boolean));
    return node;
  }

  function icon(name) {
    const [svg, path] = ['svg', 'path'].map((tag) => document.createElementNS('http://www.w3.org/2000/svg', tag));
    svg.setAttribute('viewBox', '0 0 24 24');
    svg.setAttribute('aria-hidden', 'true');
    path.setAttribute('d', ICONS[name]);
    svg.append(path);
    return svg;
  }

  /** A button with a text, or with an icon and the text as its label. */
  const button = (label, props, name) => h('button', { type: 'button', part: 'button', ...props, ...(name && { ariaLabel: label, title: label }) }, name ? icon(name) : label);
  const outLink = (href, props, ...children) => h('a', { href, target: '_blank', rel: 'noopener noreferrer', ...props }, ...children);

  /** Shows a text in its place, and no place without a text. */
  function show(node, text) {
    node.hidden = !text;
    // Written only when it differs: it may be read aloud.
    if (node.textContent !== String(text ?? '')) node.textContent = text ?? '';
  }

  /** The address if it may be linked or loaded, else undefined. */
  function safeUrl(value, base) {
    try {
      const { protocol, href } = new URL(value, base);
      return value && /^https?:$/.test(protocol) ? href : undefined;
    } catch {
      return undefined;
    }
  }

  /** Text with its web addresses as links. */
  const linked = (text) =>
    String(text ?? '').split(/(https?:\/\/[!#-;=?-~]*[\w/=&%#~-])/).map((piece) => (safeUrl(piece) ? outLink(piece, {}, piece) : piece));

  function claims(token) {
    try {
      return JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
    } catch {
      return {};
    }
  }

  /** An answer of the gateway that is not a success (RFC 9457), by its slug. */
  class Problem extends Error {
    constructor(status, body) {
      super(body?.detail || body?.title || `HTTP ${status}`);
      this.status = status;
      this.slug = body?.type?.split(':').pop();
    }
  }

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

  /** Whether a logged message is the one still waiting for its answer. */
  const alike = (mine, logged) => ['type', 'text', 'url', 'label', 'fallback_text'].every((key) => mine[key] === logged[key]);

  class KefuChat extends HTMLElement {
    #token;
    #asking;
    #takers = [];
    #session;
    #starting;
    #stream;
    #tail = Promise.resolve();
    #rows = new Map();
    #pending = [];
    #timers = {};
    #rated = {};
    #invitation;
    #lastSeq = 0;
    #replayTo = 0;
    #newest = 0;
    #readSeq = 0;
    #unread = 0;
    #typedAt = 0;

    connectedCallback() {
      this.base = (this.getAttribute('gateway') || ORIGIN).replace(/\/+$/, '');
      const wanted = [this.getAttribute('lang'), navigator.language].find((lang) => lang && lang !== 'auto');
      this.language = wanted.startsWith('zh') ? 'zh' : 'en';
      this.t = (name, value) => TEXTS[name]?.[this.language === 'zh' ? 0 : 1]?.replace('{}', value);
      this.#build();
      this.watcher = () => this.#markRead();
      document.addEventListener('visibilitychange', this.watcher);
      this.#resume();
    }

    disconnectedCallback() {
      document.removeEventListener('visibilitychange', this.watcher);
      this.#stream?.close();
      this.#session = this.#stream = undefined;
      Object.values(this.#timers).forEach(clearTimeout);
    }

    // ---- what the page can use ----

    get token() { return this.#token ?? this.getAttribute('token'); }
    set token(value) {
      this.#token = value;
      this.#takers.splice(0).forEach((take) => take(value));
    }

    get session() { return this.#session; }

    /** Shows the window, and opens a session or returns to the open one. */
    open() {
      this.setAttribute('open', '');
      this.#remember('sessionStorage', '1');
      this.#render();
      this.#markRead();
      this.#scroll(true);
      this.#focus();
      if (!this.#session || this.#over || this.left) this.#start();
    }

    /** Hides the window; the session goes on. */
    close() {
      this.#closeSheet();
      this.removeAttribute('open');
      this.#remember('sessionStorage');
      this.#render();
      this.ui.launcher.focus();
    }

    sendText(text) { this.#send({ type: 'text', text }); }

    /** Sends the app's own content, or its text where the desk cannot take it. */
    async sendCustom({ name, payload, fallback_text }) {
      await this.#starting;
      if (this.#can('custom')) this.#send({ type: 'custom', name, payload, fallback_text });
      else this.sendText(fallback_text);
    }

    // ---- requests ----

    async #freshToken(refused) {
      const { token } = this;
      if (token && !refused && !(claims(token).exp * 1000 < Date.now() + 5000)) return token;
      this.#asking ??= this.#askToken().finally(() => { this.#asking = null; });
      return this.#asking;
    }

    async #askToken() {
      const given = new Promise((take) => this.#takers.push(take));
      if (this.tokenProvider) this.token = await this.tokenProvider();
      else this.#emit('kefu-token-needed');
      const token = await Promise.race([given, pause(30000)]);
      if (!token) throw new Problem(401, { type: 'unauthenticated' });
      return token;
    }

    /** One request, repeated until answered where that is safe: a GET, or anything under a key. */
    async #request(method, path, { body, type, key } = {}) {
      let refused = false;
      for (let tries = 1; ; tries += 1) {
        let problem;
        let wait = Math.min(500 * 2 ** tries, 15000) * (0.75 + Math.random() / 2);
        try {
          const headers = { Authorization: `Bearer ${await this.#freshToken(refused)}` };
          if (body) headers['Content-Type'] = type ?? 'application/json';
          if (key) headers['Idempotency-Key'] = key;
          const response = await fetch(this.base + path, { method, headers, body: type ? body : JSON.stringify(body) });
          const answer = await response.json().catch(() => null);
          if (response.ok) return answer;
          problem = new Problem(response.status, answer);
          wait = Math.min(response.headers.get('Retry-After'), 30) * 1000 || wait;
        } catch (error) {
          problem = error instanceof Problem ? error : new Problem(0, { type: 'offline' });
        }
        const { status, slug } = problem;
        if (status === 401 && !refused) refused = true;
        else if (tries < TRIES && (key || method === 'GET') && (!status || status === 429 || status > 501 || slug === 'idempotency-key-in-flight')) await pause(wait);
        else throw problem;
      }
    }

    #post(call, body, key = newKey()) {
      return this.#request('POST', `${this.#path}/${call}`, { body, key });
    }

    get #path() { return pathOf(this.#session.id); }

    /** Runs a visitor's command once, and says what went wrong. A button that were disabled would lose the focus. */
    async #command(control, call, body = {}) {
      if (control.ariaBusy) return undefined;
      control.ariaBusy = true;
      this.#alert();
      try {
        await this.#post(call, body);
        return true;
      } catch (problem) {
        this.#report(problem);
        return false;
      } finally {
        control.ariaBusy = null;
      }
    }

    // ---- the session ----

    get #over() { return this.#session?.state === 'ended'; }

    /** Keeps the open session for the browser, the open window for the tab; without a value, forgets. */
    #remember(store, value) {
      try {
        if (value) window[store].setItem(this.#slot, value);
        else window[store].removeItem(this.#slot);
      } catch {
        // A page without storage starts afresh each time.
      }
    }

    get #slot() {
      const { iss, sub } = claims(this.token);
      return ['kefu', this.base, this.getAttribute('desk'), iss, sub].join('|');
    }

    /** After a reload of the page: goes on where this tab was. */
    async #resume() {
      if (this.#shown) return this.open();
      if (!this.token && !this.tokenProvider) return undefined;
      try {
        await this.#freshToken();
        const id = localStorage.getItem(this.#slot);
        if (sessionStorage.getItem(this.#slot)) return this.open();
        const session = id && (await this.#request('GET', pathOf(id)));
        if (session && session.state !== 'ended' && !this.#session) this.#adopt(session);
      } catch {
        // The visitor has not asked for anything yet.
      }
      return undefined;
    }

    /** Opens a session, or returns to the open one; true once there is one. */
    #start() {
      this.#starting ??= this.#openSession().finally(() => {
        this.#starting = null;
        this.#render();
      });
      this.#render();
      return this.#starting;
    }

    async #openSession() {
      const [desk, group, platform, app_version, channel] = ['desk', 'group', 'platform', 'app-version', 'channel'].map((name) => this.getAttribute(name) ?? undefined);
      const body = { desk, group, visitor: this.visitor, client: { platform, app_version, channel } };
      this.#alert();
      try {
        this.#adopt({ ...(await this.#request('POST', '/v1/sessions', { body, key: newKey() })), visitor_present: true });
        return true;
      } catch (problem) {
        return this.#report(problem);
      }
    }

    #adopt(session) {
      const isNew = this.#session?.id !== session.id;
      if (isNew) {
        if (this.#session) this.#line(this.t('restart'));
        this.#rows.clear();
        this.#rated = {};
        this.#invitation = this.greeted = null;
        this.#lastSeq = this.#newest = this.#readSeq = 0;
        this.#replayTo = session.last_seq ?? 0;
        this.#unread = session.unread ?? 0;
      }
      this.#session = session;
      this.#setLeft(session.visitor_present === false);
      this.#remember('localStorage', session.id);
      if (this.#shown) this.#remember('sessionStorage', '1');
      if (isNew || !this.#stream) this.#connect();
      this.#changed();
    }

    #setLeft(left) {
      this.left = left;
      this.toggleAttribute('left', left);
    }

    async #connect() {
      const { id } = this.#session;
      this.#stream?.close();
      const token = await this.#freshToken().catch(() => '');
      if (this.#session?.id !== id) return;
      const query = new URLSearchParams({ after: this.#lastSeq, access_token: token });
      const stream = new EventSource(`${this.base}${this.#path}/events?${query}`);
      this.#stream = stream;
      stream.onopen = () => this.#connected('live');
      stream.onmessage = ({ data }) => stream === this.#stream && this.#apply(JSON.parse(data));
      stream.onerror = () => {
        if (stream !== this.#stream || this.#over) return stream.close();
        // A stream that is merely interrupted comes back by itself.
        return stream.readyState === EventSource.CLOSED ? this.#recover(id) : this.#connected('lost');
      };
    }

    /** The stream was refused: the session is over, or the token is. */
    async #recover(id) {
      this.#stream = null;
      this.#connected('lost');
      await pause(1000 + Math.random() * 1000);
      if (this.#session?.id !== id || this.#stream) return;
      const session = await this.#request('GET', this.#path).catch((problem) => {
        if (problem.status && problem.status < 500) this.#report(problem);
        return problem;
      });
      if (session.status === 403 || session.status === 404) return;
      if (session.state === 'ended' && session.last_seq <= this.#lastSeq) {
        this.#session = session;
        this.#connected('live');
        this.#changed();
      } else this.#connect();
    }

    #connected(state) {
      this.setAttribute('connection', state);
      show(this.ui.connection, state === 'lost' && this.t('lost'));
    }

    // ---- events ----

    #apply(event) {
      const { seq, type, data } = event;
      if (seq <= this.#lastSeq) return;
      const replaying = seq <= this.#replayTo;
      const session = this.#session;
      if (seq) {
        this.#lastSeq = seq;
        // A screen reader is not read the whole past.
        this.ui.log.setAttribute('aria-live', replaying ? 'off' : 'polite');
      }
      switch (type) {
        case 'session.opened': Object.assign(session, data); break;
        case 'session.state': this.#onState(data); break;
        case 'session.capabilities':
          session.capabilities = data.capabilities ?? session.capabilities;
          session.config = data.config ?? session.config;
          break;
        case 'session.ended': this.#onEnded(data); break;
        case 'message': this.#onMessage(event, replaying); break;
        case 'message.status': this.#status(this.#rows.get(data.message), data.status, data.detail); break;
        case 'message.recalled': this.#onRecalled(this.#rows.get(data.message)); break;
        case 'queue': session.queue = data; break;
        case 'agent': this.#onAgent(data); break;
        case 'evaluation.invited': this.#invitation = data; break;
        case 'evaluation.submitted': this.#thank(data); break;
        case 'leave_message.offered':
          session.offered = data.form ?? data;
          this.#line(this.t('offer'));
          break;
        case 'leave_message.submitted': this.#line(this.t('submitted')); break;
        case 'typing': this.#onTyping(); break;
        default:
      }
      if (this.#invitation && seq >= this.#replayTo && this.sheetKind !== 'rating') this.#ratingSheet();
      this.#emit('kefu-event', event);
      if (seq >= this.#replayTo) this.#changed();
    }

    #onState({ to, agent, queue }) {
      const session = this.#session;
      session.state = to;
      if (agent) session.agent = agent;
      if (queue) session.queue = queue;
      if (to === 'unattended' || to === 'queued') this.#line(this.t(to));
      if (to === 'human') this.#greet('joined', session.agent);
      this.#dropSuggestions();
      clearTimeout(this.#timers.idle);
    }

    #onEnded({ reason }) {
      this.#session.state = 'ended';
      this.#line(this.t(['idle', 'queue_timeout', 'blocked', 'provider_error'].includes(reason) ? reason : 'ended'));
      this.#stream?.close();
      this.#setLeft(false);
      clearTimeout(this.#timers.idle);
      if (this.sheetKind !== 'rating') this.#closeSheet();
      this.#remember('localStorage');
      this.#remember('sessionStorage');
    }

    #onAgent({ event, agent }) {
      if (event !== 'left') this.#session.agent = agent;
      this.#greet(event === 'left' ? 'gone' : event, agent);
    }

    /** Says who came or went, once, whichever event tells it first. */
    #greet(what, agent) {
      const text = this.t(what, agent?.name || this.t('human'));
      if (agent && this.greeted !== text) this.#line(text);
      this.greeted = text;
    }

    #onMessage({ seq, at, data }, replaying) {
      const { id, from, content, suggestions = [] } = data;
      const mine = from.kind === 'visitor';
      const waiting = this.#pending.find((job) => mine && alike(job.content, content));
      const row = this.#rows.get(id) ?? waiting?.row ?? this.#row(from, content);
      if (waiting?.row === row) this.#settle(waiting);
      this.#bind(row, id, at);
      if (data.converted_from) row.querySelector('.note').textContent = this.t('converted');
      this.#place(row);
      this.#dropSuggestions();
      if (suggestions.length) {
        const offers = suggestions.map((text) => button(text, { class: 'chip', test: 'suggestion', onclick: () => this.sendText(text) }));
        row.lastChild.append(h('div', { class: 'choices suggestions' }, ...offers));
        this.#scroll();
      }
      this.#remind(mine);
      show(this.ui.typing);
      if (mine) return;
      if (!this.#visible && !replaying) this.#unread += 1;
      this.#newest = seq;
      this.#markRead();
    }

    /** The row is the message that the gateway knows by this id. */
    #bind(row, id, at) {
      this.#rows.set(id, row);
      row.dataset.id = id;
      if (row.dataset.status === 'sending') this.#status(row, 'accepted');
      if (at) row.querySelector('time').textContent = new Date(at).toLocaleTimeString(this.language, { hour: '2-digit', minute: '2-digit' });
    }

    #onRecalled(row) {
      row?.querySelector('.bubble').replaceChildren(h('em', {}, this.t('recalled')));
    }

    #dropSuggestions() { this.ui.log.querySelector('.suggestions')?.remove(); }

    #onTyping() {
      show(this.ui.typing, this.t('typing'));
      clearTimeout(this.#timers.typing);
      this.#timers.typing = setTimeout(show, TYPING_EVERY + 1000, this.ui.typing);
    }

    /** The desk's own reminder when the other side stays silent. */
    #remind(mine) {
      clearTimeout(this.#timers.idle);
      const reminder = this.#session.config?.idle?.[mine ? 'agent' : 'visitor'];
      if (this.#session.state !== 'human' || !reminder?.after_seconds) return;
      this.#timers.idle = setTimeout(() => this.#line(reminder.text), reminder.after_seconds * 1000);
    }

    get #shown() { return this.hasAttribute('open'); }
    get #visible() { return this.#shown && document.visibilityState === 'visible'; }

    #markRead() {
      if (!this.#session || !this.#visible) return;
      this.#unread = 0;
      if (this.#newest <= this.#readSeq) return;
      clearTimeout(this.#timers.read);
      this.#timers.read = setTimeout(() => {
        this.#readSeq = this.#newest;
        this.#post('read', { seq: this.#readSeq }).catch(() => {});
      }, 500);
    }

    // ---- sending ----

    /** Whether this kind of content is carried now; the gateway's own rule. */
    #can(kind) {
      const { state, capabilities } = this.#session ?? {};
      const { robot, human, messages_while: also } = capabilities ?? {};
      const carried = (kinds) => ['full', 'converted'].includes(kinds?.[kind]);
      if (!capabilities || state === 'opening') return kind === 'text' || carried(robot) || carried(human);
      if (state === 'robot') return carried(robot);
      return (state === 'human' || also?.includes(state)) && carried(human);
    }

    #send(content, file) {
      const row = this.#row({ kind: 'visitor' }, content, file);
      this.#queue({ row, content, file, key: newKey(), mediaKey: newKey() });
    }

    /** One after the other, so that the desk reads them in the order of writing. */
    #queue(job) {
      this.#status(job.row, 'sending');
      this.#pending.push(job);
      this.ui.log.append(job.row);
      this.#scroll(true);
      this.#tail = this.#tail.then(() => this.#transmit(job));
    }

    async #transmit(job) {
      const { row, content, file } = job;
      try {
        if ((this.#starting || !this.#session || this.left) && !(await this.#start())) throw new Problem(0, { type: 'provider_error' });
        if (file && !content.url) {
          const media = { body: file, type: file.type || 'application/octet-stream', key: job.mediaKey };
          content.url = (await this.#request('POST', '/v1/media', media)).url;
        }
        const { id } = await this.#post('messages', { content }, job.key);
        row.retry = () => this.#send(content);
        const logged = this.#rows.get(id);
        if (logged && logged !== row) row.remove();
        else this.#bind(row, id);
      } catch (problem) {
        // A lost answer is asked for again under the same key; a refusal is not an answer.
        row.retry = () => this.#queue(job);
        this.#status(row, 'failed', this.#explain(problem));
      }
      this.#settle(job);
    }

    #settle(job) {
      this.#pending = this.#pending.filter((other) => other !== job);
    }

    async #sendFile(file) {
      const [family, subtype] = file.type.split(/[/;]/);
      const type = this.#can(FAMILIES[family]) ? FAMILIES[family] : 'file';
      const content = { type };
      if (type === 'voice' || type === 'video') content.duration_ms = await durationOf(URL.createObjectURL(file));
      if (type === 'voice') content.format = FORMATS[subtype] ?? subtype;
      if (type === 'file') Object.assign(content, { name: file.name, size: file.size });
      this.#send(content, file);
    }

    async #record() {
      const microphone = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => this.#alert(this.t('no_microphone')));
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
        this.#focus();
        if (wanted) this.#sendFile(await toWav(data).catch(() => data));
      };
      tick();
      recorder.start();
      setTimeout(stop, RECORD_LIMIT, true);
      this.ui.composer.replaceWith(bar);
      bar.lastChild.focus();
    }

    #typed() {
      if (this.#session?.state !== 'human' || Date.now() - this.#typedAt < TYPING_EVERY) return;
      this.#typedAt = Date.now();
      this.#request('POST', `${this.#path}/typing`).catch(() => {});
    }

    // ---- the log ----

    #row(from, content, file) {
      const { kind } = from;
      const mine = kind === 'visitor';
      const robot = kind === 'robot' ? this.#session.config?.robot : undefined;
      const name = from.name || robot?.name || this.t({ visitor: 'you', agent: 'human' }[kind] ?? kind);
      const src = !mine && safeUrl(from.portrait || robot?.icon, this.base);
      const row = h('div', { class: 'message', part: `message ${kind}`, test: 'message', 'data-from': kind, 'data-type': content.type },
        src && h('img', { class: 'face', src, alt: '' }),
        h('div', { class: kind },
          name && h('div', { class: mine ? 'quiet' : 'meta' }, name),
          h('div', { class: 'bubble', part: `bubble ${kind}` }, ...this.#content(content, file).filter(Boolean)),
          h('div', { class: 'meta' }, h('time', {}), ' ', h('span', { class: 'note' }), ' ', h('span', { class: 'status' }))));
      if (mine) row.retry = () => this.#send(content);
      return row;
    }

    /** What a message says, as nodes; `file` is what this visitor just chose. */
    #content(content, file) {
      const { type } = content;
      const src = file ? URL.createObjectURL(file) : safeUrl(content.url, this.base);
      const onload = () => this.#scroll();
      const seconds = Math.round(content.duration_ms / 1000);
      const sound = this.t('sound') + (seconds ? ` ${seconds}″` : '');
      if (type === 'text') return linked(content.text);
      if (type === 'custom') return linked(content.fallback_text);
      if (type === 'emoji') return [content.text || content.code];
      if (type === 'location') return [h('strong', {}, `📍 ${content.label}`), h('small', {}, `${content.latitude}, ${content.longitude}`)];
      if (type === 'rich') {
        const image = safeUrl(content.image_url, this.base);
        const card = [image && h('img', { src: image, alt: '', onload }), h('strong', {}, content.title), h('small', {}, content.summary)];
        return src ? [outLink(src, {}, ...card)] : card;
      }
      if (!src) return [this.t('unsupported')];
      if (type === 'image') return [outLink(src, {}, h('img', { src: safeUrl(content.thumbnail, this.base) ?? src, alt: '🖼', onload }))];
      if (type === 'voice') return [h('audio', { controls: true, preload: 'none', src, ariaLabel: sound }), h('small', {}, sound)];
      if (type === 'video') return [h('video', { controls: true, preload: 'metadata', src, onloadedmetadata: onload })];
      if (type === 'file') return [outLink(src, {}, `📎 ${content.name}`), h('small', {}, `${Math.ceil(content.size / 1024)} KB`)];
      return [this.t('unsupported')];
    }

    #status(row, status, detail) {
      if (!row) return;
      row.dataset.status = status;
      const lost = status === 'failed' || status === 'unknown';
      const again = () => {
        const { retry } = row;
        row.retry = null;
        this.#status(row, status, detail);
        retry();
      };
      row.querySelector('.status').replaceChildren(
        [this.t(status), lost && detail].filter(Boolean).join(': '),
        lost && row.retry ? button(this.t('retry'), { test: 'retry', onclick: again }) : '');
    }

    /** Puts a row after what is logged and before what is still on its way. */
    #place(row) {
      const waiting = this.#pending[0]?.row;
      if (waiting) waiting.before(row);
      else this.ui.log.append(row);
      this.#scroll();
    }

    #line(text) {
      this.#place(h('div', { class: 'line', part: 'line', test: 'line' }, text));
    }

    #scroll(always) {
      const { log } = this.ui;
      if (always || log.scrollHeight - log.scrollTop - log.clientHeight < 300) log.scrollTop = log.scrollHeight;
    }

    // ---- the window ----

    #build() {
      const { t } = this;
      const ui = {};
      const box = (name, props, ...children) => {
        ui[name] = h('div', { class: name, part: name, test: name, ...props }, ...children);
        return ui[name];
      };
      const tool = (name, onclick) => {
        ui[name] = button(t(name), { test: name, onclick }, name);
        return ui[name];
      };
      ui.chooser = h('input', { type: 'file', hidden: true, test: 'file-input', onchange: () => {
        const file = ui.chooser.files[0];
        if (file) this.#sendFile(file);
        ui.chooser.value = '';
      } });
      const onkeydown = (event) => {
        if (event.isComposing) return;
        if (event.key === 'Escape') {
          event.stopPropagation();
          if (this.sheet) this.#closeSheet();
          else this.close();
        } else if (event.key === 'Enter' && !event.shiftKey && event.target === ui.input) {
          event.preventDefault();
          ui.composer.requestSubmit();
        }
      };
      ui.input = h('textarea', { test: 'input', rows: 1, maxLength: 8000, placeholder: t('input'), ariaLabel: t('input'), oninput: () => this.#typed() });
      ui.composer = this.#form(() => {
        const text = ui.input.value.trim();
        if (text) this.sendText(text);
        ui.input.value = '';
        ui.input.focus();
      },
      h('div', { class: 'tools' },
        tool('emoji', () => this.#emojiSheet()), tool('attach', () => ui.chooser.click()), tool('voice', () => this.#record()),
        tool('location', () => this.#locationSheet()), ui.chooser),
      h('div', { class: 'write' }, ui.input, button(t('send'), { type: 'submit', class: 'primary', test: 'send' }, 'send')));
      ui.face = h('img', { class: 'face', alt: '' });
      ui.title = h('h2', { test: 'title' });
      box('panel', { role: 'dialog', ariaLabel: t('title'), lang: this.language, onkeydown },
        box('main', {},
          box('header', {}, ui.face, h('div', {}, ui.title, box('subtitle', { role: 'status' })), tool('exit', () => this.#exitSheet()), tool('close', () => this.close())),
          box('notice', { hidden: true }),
          box('connection', { class: 'alert', role: 'status', hidden: true }),
          box('log', { role: 'log', tabIndex: 0, ariaLabel: t('title') }),
          box('typing', { hidden: true }),
          box('actions', {}),
          box('footer', {}, ui.composer)),
        box('alert', { role: 'alert', hidden: true, onclick: () => this.#alert() }));
      ui.launcher = button(t('title'), { class: 'launcher', part: 'launcher', test: 'open', onclick: () => this.open() }, 'open');
      ui.launcher.append(box('badge', {}));
      const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      root.replaceChildren(ui.panel, ui.launcher);
      this.ui = ui;
      this.#render();
    }

    #focus() { (this.ui.footer.hidden ? this.ui.log : this.ui.input).focus(); }

    #changed() {
      this.#render();
      this.#emit('kefu-session', this.#session);
    }

    /** Everything that follows from the session, at its fixed place. */
    #render() {
      const { t, ui } = this;
      const focused = this.shadowRoot.activeElement;
      const { state = this.#starting && 'opening', capabilities = {}, config = {}, agent, queue } = this.#session ?? {};
      if (this.#session) this.setAttribute('state', state);
      ui.panel.hidden = !this.#shown;
      ui.launcher.hidden = this.#shown;
      show(ui.badge, this.#unread || '');

      const who = { human: agent, robot: config.robot }[state];
      const face = safeUrl(who?.portrait || who?.icon || config.company?.icon, this.base);
      ui.face.hidden = !face;
      if (face) ui.face.src = face;
      show(ui.title, this.getAttribute('heading') || config.company?.name || t('title'));
      show(ui.subtitle, state === 'queued' && queue?.position ? t('place', queue.position) : [who?.name, t(state)].filter(Boolean).join(' · '));

      const { text, url } = config.notice ?? {};
      if (this.noticed !== text) {
        const href = safeUrl(url, this.base);
        this.noticed = text;
        ui.notice.hidden = !text;
        ui.notice.replaceChildren(href ? outLink(href, {}, text) : h('span', {}, text), button(t('close'), { onclick: () => { ui.notice.hidden = true; } }, 'close'));
      }

      ui.exit.hidden = !this.#session || this.#over || this.left;
      ui.footer.hidden = this.#over || this.left || config.blocked || !this.#can('text');
      ui.chooser.accept = this.#can('file') ? '' : Object.keys(FAMILIES).filter((family) => this.#can(FAMILIES[family])).map((family) => `${family}/*`);
      ui.attach.hidden = !ui.chooser.accept && !this.#can('file');
      ui.voice.hidden = !this.#can('voice') || !window.MediaRecorder || !navigator.mediaDevices;
      ui.location.hidden = !this.#can('location');
      this.#renderActions(state, capabilities, config);
      // What just had the focus may have gone.
      if (focused?.checkVisibility() === false) this.#focus();
    }

    #renderActions(state, capabilities, config) {
      const { t } = this;
      const chips = [];
      const chip = (test, label, onclick) => chips.push(button(label, { class: 'chip', test, onclick }));
      const groups = capabilities.groups?.filter((group) => group.online) ?? [];
      const leave = { ...capabilities.leave_message, ...this.#session?.offered };
      if (config.blocked) chips.push(h('p', {}, t('blocked')));
      else if (this.#over) chip('restart', t('restart'), () => this.#start());
      else if (this.left) {
        chips.push(h('p', { test: 'left' }, t('keeps')));
        chip('restart', t('resume'), () => this.#start());
      } else if (!this.#session) {
        if (!this.#starting) chip('restart', t('retry'), () => this.#start());
      } else {
        const asks = state === 'robot' || state === 'unattended' || (state === 'queued' && groups.length > 1);
        if (capabilities.to_human && asks) chip('human', t('to_human'), ({ target }) => this.#askHuman(target, groups));
        if (leave.when?.includes(state)) {
          const href = safeUrl(leave.url, this.base);
          if (leave.kind === 'form') chip('leave', t('leave'), () => this.#leaveSheet(leave));
          if (leave.kind === 'page' && href) chips.push(outLink(href, { class: 'chip', test: 'leave-link' }, t('leave')));
        }
      }
      if (this.#ratable(state, capabilities.evaluation)) chip('rate', t('rate'), () => this.#ratingSheet());
      // Rebuilt only when they differ, so that the focus stays.
      const shape = JSON.stringify([chips.map((item) => item.textContent), groups, leave]);
      if (shape === this.shape) return;
      this.shape = shape;
      this.ui.actions.replaceChildren(...chips);
      this.ui.actions.hidden = !chips.length;
      this.#scroll();
    }

    // ---- sheets ----

    #sheet(kind, title, ...content) {
      this.#closeSheet();
      this.sheetKind = kind;
      this.opener = this.shadowRoot.activeElement;
      this.sheet = h('section', { class: 'sheet', part: 'sheet', test: 'sheet', 'data-kind': kind, role: 'dialog', ariaModal: 'true', ariaLabel: title },
        h('div', { class: 'top' }, h('h2', {}, title), button(this.t('close'), { test: 'sheet-close', onclick: () => this.#closeSheet() }, 'close')), ...content);
      this.ui.main.inert = true;
      this.ui.panel.append(this.sheet);
      if (this.#shown) this.sheet.querySelector(':is(input, textarea, button):not(.top *)')?.focus();
    }

    #closeSheet() {
      if (!this.sheet) return;
      this.sheet.remove();
      this.sheet = this.sheetKind = null;
      this.ui.main.inert = false;
      if (!this.#shown) return;
      this.opener?.focus();
      if (!this.shadowRoot.activeElement) this.#focus();
    }

    #form(submit, ...content) {
      const onsubmit = (event) => {
        event.preventDefault();
        submit(event.submitter, new FormData(event.target));
      };
      return h('form', { onsubmit }, ...content);
    }

    #submit(test) { return button(this.t('send'), { type: 'submit', class: 'primary', test }); }

    #emojiSheet() {
      const insert = (text) => {
        this.#closeSheet();
        this.ui.input.setRangeText(text, this.ui.input.selectionStart, this.ui.input.selectionEnd, 'end');
        this.ui.input.focus();
      };
      this.#sheet('emoji', this.t('emoji'), h('div', { class: 'choices' }, ...EMOJI.map((text) => button(text, { onclick: () => insert(text) }))));
    }

    #askHuman(control, groups) {
      if (groups.length < 2) return this.#command(control, 'human');
      const choice = (label, test, body) => button(label, { class: 'chip', test, 'data-group': body.group, onclick: async ({ target }) => {
        if (await this.#command(target, 'human', body)) this.#closeSheet();
      } });
      return this.#sheet('groups', this.t('to_human'), h('div', { class: 'choices' },
        ...groups.map(({ id, name }) => choice(name, 'group', { group: id })), choice(this.t('any'), 'group-any', {})));
    }

    #exitSheet() {
      const { exit = 'ends' } = this.#session.capabilities ?? {};
      const confirm = async ({ target }) => {
        if (!(await this.#command(target, 'exit'))) return;
        if (this.sheetKind === 'exit') this.#closeSheet();
        if (exit === 'keeps' && !this.#over) this.#setLeft(true);
        this.#render();
      };
      this.#sheet('exit', this.t('exit'), h('p', {}, this.t(exit)), h('div', { class: 'pair' },
        button(this.t('exit'), { class: 'primary', test: 'exit-confirm', onclick: confirm }),
        button(this.t('cancel'), { onclick: () => this.#closeSheet() })));
    }

    #leaveSheet({ fields = [] }) {
      const send = async (control, data) => {
        const filled = [...data].filter(([, value]) => value.trim());
        if (await this.#command(control, 'leave-message', { fields: Object.fromEntries(filled) })) this.#closeSheet();
      };
      const field = ({ key, label, required, multiline, verify, max }) => h('label', {}, label + (required ? ' *' : ''), h(multiline ? 'textarea' : 'input', {
        name: key, required, maxLength: max, test: `leave-${key}`,
        ...(multiline ? { rows: 4 } : { type: { phone: 'tel', email: 'email' }[verify] }),
        ...(verify === 'phone' && { pattern: '[\\d +\\-]{5,20}' }),
      }));
      this.#sheet('leave', this.t('leave'), h('p', {}, this.t('offer')), this.#form(send, ...fields.map(field), this.#submit('leave-send')));
    }

    #locationSheet() {
      const { t } = this;
      const field = (name, label, props) => h('label', {}, t(label), h('input', { name, required: true, test: `location-${name}`, ...props }));
      const degrees = (name, limit) => field(name, name, { type: 'number', step: 'any', min: -limit, max: limit });
      const locate = () => navigator.geolocation?.getCurrentPosition(({ coords }) => {
        for (const name of ['latitude', 'longitude']) form.elements[name].value = coords[name].toFixed(6);
      }, () => form.elements.label.focus());
      const form = this.#form((_, data) => {
        this.#closeSheet();
        this.#send({ type: 'location', latitude: Number(data.get('latitude')), longitude: Number(data.get('longitude')), label: data.get('label') });
      },
      button(t('here'), { class: 'chip', test: 'location-here', onclick: locate }), field('label', 'place_name', { maxLength: 200 }),
      h('div', { class: 'pair' }, degrees('latitude', 90), degrees('longitude', 180)), this.#submit('location-send'));
      this.#sheet('location', t('location'), form);
    }

    #ratable(state, rules) {
      if (this.#invitation) return true;
      if (this.left || this.#rated[state]) return false;
      return state === 'human' ? rules?.by?.includes('visitor') && rules.human : state === 'robot' && rules?.robot === 'yes_no';
    }

    #ratingSheet() {
      const { t } = this;
      const invitation = this.#invitation;
      const rules = this.#session.capabilities?.evaluation ?? {};
      const target = invitation?.target ?? this.#session.state;
      const decline = button(t('cancel'), { test: 'rate-decline', onclick: (event) => (invitation ? this.#rate(event.target, { declined: true }, target) : this.#closeSheet()) });
      if (target === 'robot') {
        const answer = (name) => button(t(name), { class: 'chip', test: `resolved-${name}`, onclick: (event) => this.#rate(event.target, { target, resolved: name === 'yes' }, target) });
        this.#sheet('rating', rules.robot_prompt || t('solved'), h('div', { class: 'pair' }, answer('yes'), answer('no'), decline));
        return;
      }
      const form = invitation?.form ?? rules.human ?? { stars: true };
      const captions = form.labels?.length === 5 ? form.labels : t('stars').split('|');
      const caption = h('output', { class: 'line' });
      const choice = (type, name, value, text, test, label) => h('label', { test }, h('input', { type, name, value, required: type === 'radio', ariaLabel: label }), text);
      const choices = (legend, props, ...content) => h('fieldset', {}, legend, h('div', { class: 'choices', ...props }, ...content));
      const send = (control, data) => this.#rate(control, {
        target,
        stars: Number(data.get('stars')) || undefined,
        resolved: form.resolved ? data.get('resolved') === 'yes' : undefined,
        tags: data.getAll('tags'),
        comment: data.get('comment') || undefined,
      }, target);
      this.#sheet('rating', t('rate'), this.#form(send,
        form.stars && choices('', { class: 'choices stars', onchange: (event) => { caption.textContent = captions[event.target.value - 1]; } },
          ...captions.map((text, at) => choice('radio', 'stars', at + 1, '★', `star-${at + 1}`, text)), caption),
        form.resolved && choices(t('solved'), {}, ...['yes', 'no'].map((name) => choice('radio', 'resolved', name, t(name), `resolved-${name}`))),
        form.tags?.length && choices('', {}, ...form.tags.map((tag, at) => choice('checkbox', 'tags', tag, tag, `tag-${at}`))),
        form.comment && h('label', {}, t('comment'), h('textarea', { name: 'comment', rows: 2, maxLength: 1000, test: 'comment' })),
        h('div', { class: 'pair' }, this.#submit('rate-send'), decline)));
    }

    async #rate(control, rating, target) {
      const taken = await this.#command(control, 'evaluation', rating);
      // A session that is over gives no second chance.
      if (taken || (taken === false && this.#over)) this.#thank({ target, declined: !taken || rating.declined });
    }

    /** Ends the rating, and thanks once: the answer or the event may come first. */
    #thank({ target, declined }) {
      this.#invitation = null;
      if (this.sheetKind === 'rating') this.#closeSheet();
      if (!declined && !this.#rated[target]) this.#line(this.t('thanks'));
      this.#rated[target] = true;
      this.#render();
    }

    // ---- problems ----

    #alert(text) { show(this.ui.alert, text); }

    #explain({ slug, message }) {
      return this.t(/provider-/.test(slug) ? 'provider_error' : slug) ?? message;
    }

    #report(problem) {
      this.#alert(this.#explain(problem));
      this.#emit('kefu-error', problem);
      this.#render();
    }

    #emit(name, detail) {
      this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
    }
  }

  customElements.define('kefu-chat', KefuChat);
})();
