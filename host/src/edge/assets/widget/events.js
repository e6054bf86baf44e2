/** What each event of a session means for the window. */
class Events extends Visit {
  _apply(event) {
    const { seq, type, data } = event;
    if (seq <= this._lastSeq) return;
    const replaying = seq <= this._replayTo;
    const session = this._session;
    if (seq) {
      this._lastSeq = seq;
      // A screen reader is not read the whole past.
      this.ui.log.setAttribute('aria-live', replaying ? 'off' : 'polite');
    }
    switch (type) {
      case 'session.opened': Object.assign(session, data); break;
      case 'session.state': this._onState(data); break;
      case 'session.moved':
        session.offered = this._invitation = null;
        this._closeSheet();
        this._line(this.t('opening'));
        break;
      case 'session.capabilities':
        session.capabilities = data.capabilities ?? session.capabilities;
        session.config = data.config ?? session.config;
        break;
      case 'session.ended': this._onEnded(data); break;
      case 'message': this._onMessage(event, replaying); break;
      case 'message.status': this._status(this._rows.get(data.message), data.status, data.detail); break;
      case 'message.recalled': this._onRecalled(this._rows.get(data.message)); break;
      case 'queue': session.queue = data; break;
      case 'agent': this._onAgent(data); break;
      case 'evaluation.invited':
        this._invitation = data;
        this._rated[data.target] = false;
        break;
      case 'evaluation.submitted': this._thank(data); break;
      case 'leave_message.offered':
        session.offered = data.form ?? data;
        this._line(this.t('offer'));
        break;
      case 'leave_message.submitted': this._line(this.t('submitted')); break;
      case 'typing': this._onTyping(); break;
      default:
    }
    if (this._invitation && seq >= this._replayTo && this.sheetKind !== 'rating') this._ratingSheet();
    this._emit('kefu-event', event);
    if (seq >= this._replayTo) this._changed();
  }

  _onState({ to, agent, queue }) {
    const session = this._session;
    session.state = to;
    if (agent) session.agent = agent;
    session.queue = queue;
    if (to === 'unattended' || to === 'queued') this._line(this.t(to));
    if (to === 'human') this._greet('joined', session.agent);
    this._dropSuggestions();
    clearTimeout(this._timers.idle);
  }

  _onEnded({ reason }) {
    this._session.state = 'ended';
    this._line(this.t(['idle', 'queue_timeout', 'blocked', 'provider_error'].includes(reason) ? reason : 'ended'));
    this._stream?.close();
    this._setLeft(false);
    clearTimeout(this._timers.idle);
    if (this.sheetKind !== 'rating') this._closeSheet();
    this._remember('localStorage');
    this._remember('sessionStorage');
  }

  _onAgent({ event, agent }) {
    if (event !== 'left') this._session.agent = agent;
    this._greet(event === 'left' ? 'gone' : event, agent);
  }

  /** Says who came or went, once, whichever event tells it first. */
  _greet(what, agent) {
    const text = this.t(what, agent?.name || this.t('human'));
    if (agent && this.greeted !== text) this._line(text);
    this.greeted = text;
  }

  _onMessage({ seq, at, data }, replaying) {
    const { id, from, content, suggestions = [] } = data;
    const mine = from.kind === 'visitor';
    const waiting = this._pending.find((job) => mine && alike(job.content, content));
    const row = this._rows.get(id) ?? waiting?.row ?? this._row(from, content);
    if (waiting?.row === row) this._settle(waiting);
    this._bind(row, id, at);
    if (data.converted_from) row.querySelector('.note').textContent = this.t('converted');
    this._place(row);
    this._dropSuggestions();
    if (suggestions.length) {
      const offers = suggestions.map((text) => button(text, { class: 'chip', test: 'suggestion', onclick: () => this.sendText(text) }));
      row.lastChild.append(h('div', { class: 'choices suggestions' }, ...offers));
      this._scroll();
    }
    this._remind(mine);
    show(this.ui.typing);
    if (mine) return;
    if (!this._visible && !replaying) this._unread += 1;
    if (!this._shown && this._unread) this._announce(row, data, replaying);
    this._newest = seq;
    this._markRead();
  }

  /** The row is the message that the gateway knows by this id. */
  _bind(row, id, at) {
    this._rows.set(id, row);
    row.dataset.id = id;
    if (row.dataset.status === 'sending') this._status(row, 'accepted');
    if (at) row.querySelector('time').textContent = new Date(at).toLocaleTimeString(this.language, { hour: '2-digit', minute: '2-digit' });
  }

  _onRecalled(row) {
    row?.querySelector('.bubble').replaceChildren(h('em', {}, this.t('recalled')));
  }

  /** The window is closed: says beside the launcher who wrote what. */
  _announce(row, { from, content }, replaying) {
    const text = [...row.querySelector('.bubble').childNodes].map((node) => node.textContent).join(' ').trim() || `[${content.type}]`;
    show(this.ui.reminder, `${from.name || this.t('title')}: ${text}`);
    if (!replaying) this._emit('kefu-reminder', { session: this._session.id, from, content, text });
  }

  _dropSuggestions() {
    const offers = this.ui.log.querySelector('.suggestions');
    const focused = offers?.matches(':focus-within');
    offers?.remove();
    if (focused) this._focus();
  }

  _onTyping() {
    show(this.ui.typing, this.t('typing'));
    clearTimeout(this._timers.typing);
    this._timers.typing = setTimeout(show, TYPING_EVERY + 1000, this.ui.typing);
  }

  /** The desk's own reminder when the other side stays silent. */
  _remind(mine) {
    clearTimeout(this._timers.idle);
    const reminder = this._session.config?.idle?.[mine ? 'agent' : 'visitor'];
    if (this._session.state !== 'human' || !reminder?.after_seconds) return;
    this._timers.idle = setTimeout(() => this._line(reminder.text), reminder.after_seconds * 1000);
  }

  get _shown() { return this.hasAttribute('open'); }
  get _visible() { return this._shown && document.visibilityState === 'visible'; }

  _markRead() {
    if (!this._session || !this._visible) return;
    this._unread = 0;
    if (this._newest <= this._readSeq) return;
    clearTimeout(this._timers.read);
    this._timers.read = setTimeout(() => {
      this._readSeq = this._newest;
      this._post('read', { seq: this._readSeq }).catch(() => {});
    }, 500);
  }
}
