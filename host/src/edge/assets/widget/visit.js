/** The session and the stream of its events. */
class Visit extends Requests {
  get _over() { return this._session?.state === 'ended'; }

  /** Keeps the open session for the browser, the open window for the tab; without a value, forgets. */
  _remember(store, value) {
    try {
      if (value) window[store].setItem(this._slot, value);
      else window[store].removeItem(this._slot);
    } catch {
      // A page without storage starts afresh each time.
    }
  }

  get _slot() {
    const { iss, sub } = claims(this.token);
    return ['kefu', this.base, this.getAttribute('desk'), iss, sub].join('|');
  }

  /** After a reload of the page: goes on where this tab was. */
  async _resume() {
    if (this._shown) return this.open();
    if (!this.token && !this.tokenProvider) return undefined;
    try {
      await this._freshToken();
      const id = localStorage.getItem(this._slot);
      if (sessionStorage.getItem(this._slot)) return this.open();
      const session = id && (await this._request('GET', pathOf(id)));
      if (session && session.state !== 'ended' && !this._session) this._adopt(session);
    } catch {
      // The visitor has not asked for anything yet.
    }
    return undefined;
  }

  /** Opens a session, or returns to the open one; true once there is one. */
  _start() {
    this._starting ??= this._openSession().finally(() => {
      this._starting = null;
      this._render();
    });
    this._render();
    return this._starting;
  }

  async _openSession() {
    const [desk, group, platform, app_version, channel] = ['desk', 'group', 'platform', 'app-version', 'channel'].map((name) => this.getAttribute(name) ?? undefined);
    const body = { desk, group, visitor: this.visitor, client: { platform, app_version, channel } };
    this._alert();
    try {
      this._adopt({ ...(await this._request('POST', '/v1/sessions', { body, key: newKey() })), visitor_present: true });
      return true;
    } catch (problem) {
      return this._report(problem);
    }
  }

  _adopt(session) {
    const isNew = this._session?.id !== session.id;
    if (isNew) {
      if (this._session) this._line(this.t('restart'));
      this._rows.clear();
      this._rated = {};
      this._invitation = this.greeted = null;
      this._lastSeq = this._newest = this._readSeq = 0;
      this._replayTo = session.last_seq ?? 0;
      this._unread = session.unread ?? 0;
    }
    this._session = session;
    this._setLeft(session.visitor_present === false);
    this._remember('localStorage', session.id);
    if (this._shown) this._remember('sessionStorage', '1');
    if (isNew || !this._stream) this._connect();
    this._changed();
  }

  /** While the visitor is away, what the agent still writes comes as a reminder. */
  _setLeft(left) {
    const turned = this._stream && this.left !== left;
    this.left = left;
    this.toggleAttribute('left', left);
    if (turned && !this._over) this._connect();
  }

  async _connect() {
    const { id } = this._session;
    const { left, _stream: before } = this;
    const token = await this._freshToken().catch(() => '');
    if (this._session?.id !== id || this.left !== left || this._stream !== before) return;
    before?.close();
    const query = new URLSearchParams({ access_token: token, ...(!left && { after: this._lastSeq }) });
    const stream = new EventSource(`${this.base}${left ? '/v1' : this._path}/events?${query}`);
    this._stream = stream;
    stream.onopen = () => {
      this._connected('live');
      if (left) this._catchUp();
    };
    stream.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (stream !== this._stream || event.session !== id) return;
      if (left && event.seq > this._lastSeq + 1) this._catchUp();
      else this._apply(event);
    };
    stream.onerror = () => {
      if (stream !== this._stream || this._over) return stream.close();
      // A stream that is merely interrupted comes back by itself.
      return stream.readyState === EventSource.CLOSED ? this._recover(id) : this._connected('lost');
    };
  }

  /** The stream over all sessions starts now: what came before it is fetched. */
  async _catchUp() {
    const { id } = this._session;
    const { events = [] } = (await this._request('GET', `${this._path}/events?after=${this._lastSeq}`).catch(() => 0)) || {};
    if (this._session?.id !== id) return;
    for (const event of events) this._apply(event);
    if (events.length) this._catchUp();
  }

  /** The stream was refused: the session is over, or the token is. */
  async _recover(id) {
    this._stream = null;
    this._connected('lost');
    await pause(1000 + Math.random() * 1000);
    if (this._session?.id !== id || this._stream) return;
    const session = await this._request('GET', this._path).catch((problem) => {
      if (problem.status && problem.status < 500) this._report(problem);
      return problem;
    });
    if (session.status === 403 || session.status === 404) return;
    if (session.state === 'ended' && session.last_seq <= this._lastSeq) {
      this._session = session;
      this._connected('live');
      this._changed();
    } else this._connect();
  }

  _connected(state) {
    this.setAttribute('connection', state);
    show(this.ui.connection, state === 'lost' && this.t('lost'));
  }
}
