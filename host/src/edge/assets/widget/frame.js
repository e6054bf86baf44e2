/** The window around the log, drawn from the session. */
class Frame extends Log {
  _build() {
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
      if (file) this._sendFile(file);
      ui.chooser.value = '';
    } });
    const onkeydown = (event) => {
      if (event.isComposing) return;
      if (event.key === 'Escape') {
        event.stopPropagation();
        if (this.sheet) this._closeSheet();
        else this.close();
      } else if (event.key === 'Enter' && !event.shiftKey && event.target === ui.input) {
        event.preventDefault();
        ui.composer.requestSubmit();
      }
    };
    ui.input = h('textarea', { test: 'input', rows: 1, maxLength: 8000, placeholder: t('input'), ariaLabel: t('input'), oninput: () => this._typed() });
    ui.composer = this._form(() => {
      const text = ui.input.value.trim();
      if (text) this.sendText(text);
      ui.input.value = '';
      ui.input.focus();
    },
    h('div', { class: 'tools' },
      tool('emoji', () => this._emojiSheet()), tool('attach', () => ui.chooser.click()), tool('voice', () => this._record()),
      tool('location', () => this._locationSheet()), ui.chooser),
    h('div', { class: 'write' }, ui.input, button(t('send'), { type: 'submit', class: 'primary', test: 'send' }, 'send')));
    ui.face = h('img', { class: 'face', alt: '' });
    ui.title = h('h2', { test: 'title' });
    box('panel', { role: 'dialog', ariaLabel: t('title'), lang: this.language, onkeydown },
      box('main', {},
        box('header', {}, ui.face, h('div', {}, ui.title, box('subtitle', { role: 'status' })), tool('exit', () => this._exitSheet()), tool('close', () => this.close())),
        box('notice', { hidden: true }),
        box('connection', { class: 'alert', role: 'status', hidden: true }),
        box('log', { role: 'log', tabIndex: 0, ariaLabel: t('title') }),
        box('typing', { hidden: true }),
        box('actions', {}),
        box('footer', {}, ui.composer)),
      box('alert', { role: 'alert', hidden: true, onclick: () => this._alert() }));
    ui.launcher = button(t('title'), { class: 'launcher', part: 'launcher', test: 'open', onclick: () => this.open() }, 'open');
    ui.launcher.append(box('badge', {}));
    ui.reminder = button('', { class: 'reminder', part: 'reminder', test: 'reminder', ariaLive: 'polite', hidden: true, onclick: () => this.open() });
    const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    root.replaceChildren(ui.panel, ui.reminder, ui.launcher);
    this.ui = ui;
    this._render();
  }

  _focus() { (this.ui.footer.hidden ? this.ui.log : this.ui.input).focus(); }

  _changed() {
    this._render();
    this._emit('kefu-session', this._session);
  }

  /** Everything that follows from the session, at its fixed place. */
  _render() {
    const { t, ui } = this;
    const focused = this.shadowRoot.activeElement;
    const { state = this._starting && 'opening', capabilities = {}, config = {}, agent, queue } = this._session ?? {};
    if (this._session) this.setAttribute('state', state);
    ui.panel.hidden = !this._shown;
    ui.launcher.hidden = this._shown;
    show(ui.badge, this._unread || '');
    if (this._shown || !this._unread) show(ui.reminder);

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

    ui.exit.hidden = !this._session || this._over || this.left;
    ui.footer.hidden = this._over || this.left || config.blocked || !this._can('text');
    ui.chooser.accept = this._can('file') ? '' : Object.keys(FAMILIES).filter((family) => this._can(FAMILIES[family])).map((family) => `${family}/*`);
    ui.attach.hidden = !ui.chooser.accept && !this._can('file');
    ui.voice.hidden = !this._can('voice') || !window.MediaRecorder || !navigator.mediaDevices;
    ui.location.hidden = !this._can('location');
    this._renderActions(state, capabilities, config);
    // What just had the focus may have gone.
    if (focused?.checkVisibility() === false) this._focus();
  }

  _renderActions(state, capabilities, config) {
    const { t } = this;
    const chips = [];
    const chip = (test, label, onclick) => chips.push(button(label, { class: 'chip', test, onclick }));
    const groups = capabilities.groups?.filter((group) => group.online) ?? [];
    const leave = { ...capabilities.leave_message, ...this._session?.offered };
    if (config.blocked) chips.push(h('p', {}, t('blocked')));
    else if (this._over) chip('restart', t('restart'), () => this._start());
    else if (this.left) {
      chips.push(h('p', { test: 'left' }, t('keeps')));
      chip('restart', t('resume'), () => this._start());
    } else if (!this._session) {
      if (!this._starting) chip('restart', t('retry'), () => this._start());
    } else {
      const asks = state === 'robot' || state === 'unattended' || (state === 'queued' && groups.length > 1);
      if (capabilities.to_human && asks) chip('human', t('to_human'), ({ target }) => this._askHuman(target, groups));
      if (leave.when?.includes(state)) {
        const href = safeUrl(leave.url, this.base);
        if (leave.kind === 'form') chip('leave', t('leave'), () => this._leaveSheet(leave));
        if (leave.kind === 'page' && href) chips.push(outLink(href, { class: 'chip', test: 'leave-link' }, t('leave')));
      }
    }
    if (this._ratable(state, capabilities.evaluation)) chip('rate', t('rate'), () => this._ratingSheet());
    // Rebuilt only when they differ, so that the focus stays.
    const shape = JSON.stringify([chips.map((item) => item.textContent), groups, leave]);
    if (shape === this.shape) return;
    this.shape = shape;
    this.ui.actions.replaceChildren(...chips);
    this.ui.actions.hidden = !chips.length;
    this._scroll();
  }
}
