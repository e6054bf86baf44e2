class KefuChat extends Sheets {
  _token;
  _asking;
  _takers = [];
  _session;
  _starting;
  _stream;
  _tail = Promise.resolve();
  _rows = new Map();
  _pending = [];
  _timers = {};
  _rated = {};
  _invitation;
  _lastSeq = 0;
  _replayTo = 0;
  _newest = 0;
  _readSeq = 0;
  _unread = 0;
  _typedAt = 0;

  connectedCallback() {
    this.base = (this.getAttribute('gateway') || ORIGIN).replace(/\/+$/, '');
    const wanted = [this.getAttribute('lang'), navigator.language].find((lang) => lang && lang !== 'auto');
    this.language = wanted.startsWith('zh') ? 'zh' : 'en';
    this.t = (name, value) => TEXTS[name]?.[this.language === 'zh' ? 0 : 1]?.replace('{}', value);
    this._build();
    this.watcher = () => this._markRead();
    document.addEventListener('visibilitychange', this.watcher);
    this._resume();
  }

  disconnectedCallback() {
    document.removeEventListener('visibilitychange', this.watcher);
    this._stream?.close();
    this._session = this._stream = undefined;
    Object.values(this._timers).forEach(clearTimeout);
  }

  get session() { return this._session; }

  /** Shows the window, and opens a session or returns to the open one. */
  open() {
    this.setAttribute('open', '');
    this._remember('sessionStorage', '1');
    this._render();
    this._markRead();
    this._scroll(true);
    this._focus();
    if (!this._session || this._over || this.left) this._start();
  }

  /** Hides the window; the session goes on. */
  close() {
    this._closeSheet();
    this.removeAttribute('open');
    this._remember('sessionStorage');
    this._render();
    this.ui.launcher.focus();
  }

  sendText(text) { this._send({ type: 'text', text }); }

  /** Sends the app's own content, or its text where the desk cannot take it. */
  async sendCustom({ name, payload, fallback_text }) {
    await this._starting;
    if (this._can('custom')) this._send({ type: 'custom', name, payload, fallback_text });
    else this.sendText(fallback_text);
  }
}

customElements.define('kefu-chat', KefuChat);
