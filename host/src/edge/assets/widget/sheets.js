/** What opens over the log: emoji, groups, leaving. */
class Sheets extends Frame {
  _sheet(kind, title, ...content) {
    this._closeSheet();
    this.sheetKind = kind;
    this.opener = this.shadowRoot.activeElement;
    this.sheet = h('section', { class: 'sheet', part: 'sheet', test: 'sheet', 'data-kind': kind, role: 'dialog', ariaModal: 'true', ariaLabel: title },
      h('div', { class: 'top' }, h('h2', {}, title), button(this.t('close'), { test: 'sheet-close', onclick: () => this._closeSheet() }, 'close')), ...content);
    this.ui.main.inert = true;
    this.ui.panel.append(this.sheet);
    if (this._shown) this.sheet.querySelector(':is(input, textarea, button):not(.top *)')?.focus();
  }

  /** An answer may come late: it closes its own sheet, not the one after it. */
  _closeSheet(kind = this.sheetKind) {
    if (!this.sheet || kind !== this.sheetKind) return;
    this.sheet.remove();
    this.sheet = this.sheetKind = null;
    this.ui.main.inert = false;
    if (!this._shown) return;
    this.opener?.focus();
    if (!this.shadowRoot.activeElement) this._focus();
  }

  _form(submit, ...content) {
    const onsubmit = (event) => {
      event.preventDefault();
      submit(event.submitter, new FormData(event.target));
    };
    return h('form', { onsubmit }, ...content);
  }

  _submit(test) { return button(this.t('send'), { type: 'submit', class: 'primary', part: 'button submit', test }); }

  _emojiSheet() {
    const insert = (text) => {
      this._closeSheet();
      this.ui.input.setRangeText(text, this.ui.input.selectionStart, this.ui.input.selectionEnd, 'end');
      this.ui.input.focus();
    };
    this._sheet('emoji', this.t('emoji'), h('div', { class: 'choices' }, ...EMOJI.map((text) => button(text, { test: `emoji-${text}`, onclick: () => insert(text) }))));
  }

  _askHuman(control, groups) {
    if (groups.length < 2) return this._command(control, 'human');
    const choice = (label, test, body) => button(label, { class: 'chip', test, 'data-group': body.group, onclick: async ({ target }) => {
      if (await this._command(target, 'human', body)) this._closeSheet('groups');
    } });
    return this._sheet('groups', this.t('to_human'), h('div', { class: 'choices' },
      ...groups.map(({ id, name }) => choice(name, 'group', { group: id })), choice(this.t('any'), 'group-any', {})));
  }

  _exitSheet() {
    const { exit = 'ends' } = this._session.capabilities ?? {};
    const confirm = async ({ target }) => {
      if (!(await this._command(target, 'exit'))) return;
      this._closeSheet('exit');
      if (exit === 'keeps' && !this._over) this._setLeft(true);
      this._render();
    };
    this._sheet('exit', this.t('exit'), h('p', {}, this.t(exit)), h('div', { class: 'pair' },
      button(this.t('exit'), { class: 'primary', test: 'exit-confirm', onclick: confirm }),
      button(this.t('cancel'), { onclick: () => this._closeSheet() })));
  }

  _leaveSheet({ fields = [] }) {
    const send = async (control, data) => {
      const filled = [...data].filter(([, value]) => value.trim());
      if (await this._command(control, 'leave-message', { fields: Object.fromEntries(filled) })) this._closeSheet('leave');
    };
    const field = ({ key, label, required, multiline, verify, max }) => h('label', { part: `field field-${key}` }, h('span', { part: 'label' }, label + (required ? ' *' : '')), h(multiline ? 'textarea' : 'input', {
      name: key, required, maxLength: max, test: `leave-${key}`, part: 'control', autocomplete: { phone: 'tel', email: 'email' }[verify] ?? key,
      ...(multiline ? { rows: 4 } : { type: { phone: 'tel', email: 'email' }[verify] }),
      ...(verify === 'phone' && { pattern: '[\\d +\\-]{5,20}' }),
    }));
    const form = this._form(send, ...fields.map(field), h('slot', { name: 'leave-outro' }), this._submit('leave-send'));
    form.part = 'leave-form';
    this._sheet('leave', this.t('leave'), h('slot', { name: 'leave-intro' }, h('p', {}, this.t('offer'))), form);
  }

  _locationSheet() {
    const { t } = this;
    const field = (name, label, props) => h('label', {}, t(label), h('input', { name, required: true, test: `location-${name}`, ...props }));
    const degrees = (name, limit) => field(name, name, { type: 'number', step: 'any', min: -limit, max: limit });
    const locate = () => navigator.geolocation?.getCurrentPosition(({ coords }) => {
      for (const name of ['latitude', 'longitude']) form.elements[name].value = coords[name].toFixed(6);
    }, () => form.elements.label.focus());
    const form = this._form((_, data) => {
      this._closeSheet();
      this._send({ type: 'location', latitude: Number(data.get('latitude')), longitude: Number(data.get('longitude')), label: data.get('label') });
    },
    button(t('here'), { class: 'chip', test: 'location-here', onclick: locate }), field('label', 'place_name', { maxLength: 200 }),
    h('div', { class: 'pair' }, degrees('latitude', 90), degrees('longitude', 180)), this._submit('location-send'));
    this._sheet('location', t('location'), form);
  }

  _ratable(state, rules) {
    if (this._invitation) return true;
    if (this.left || this._rated[state]) return false;
    return state === 'human' ? rules?.by?.includes('visitor') && rules.human : state === 'robot' && rules?.robot === 'yes_no';
  }

  _ratingSheet() {
    const { t } = this;
    const invitation = this._invitation;
    const rules = this._session.capabilities?.evaluation ?? {};
    const target = invitation?.target ?? this._session.state;
    const decline = button(t('cancel'), { test: 'rate-decline', onclick: (event) => (invitation ? this._rate(event.target, { declined: true }, target) : this._closeSheet()) });
    if (target === 'robot') {
      const answer = (name) => button(t(name), { class: 'chip', test: `resolved-${name}`, onclick: (event) => this._rate(event.target, { target, resolved: name === 'yes' }, target) });
      this._sheet('rating', rules.robot_prompt || t('solved'), h('div', { class: 'pair' }, answer('yes'), answer('no'), decline));
      return;
    }
    const form = invitation?.form ?? rules.human ?? { stars: true };
    const captions = form.labels?.length === 5 ? form.labels : t('stars').split('|');
    const caption = h('output', { class: 'line', test: 'level' });
    const choice = (type, name, value, text, test, label) => h('label', { test }, h('input', { type, name, value, required: type === 'radio', ariaLabel: label }), text);
    const choices = (legend, props, ...content) => h('fieldset', {}, legend, h('div', { class: 'choices', ...props }, ...content));
    const send = (control, data) => this._rate(control, {
      target,
      stars: Number(data.get('stars')) || undefined,
      resolved: form.resolved ? data.get('resolved') === 'yes' : undefined,
      tags: data.getAll('tags'),
      comment: data.get('comment') || undefined,
    }, target);
    this._sheet('rating', t('rate'), this._form(send,
      form.stars && choices('', { class: 'choices stars', onchange: (event) => { caption.textContent = captions[event.target.value - 1]; } },
        ...captions.map((text, at) => choice('radio', 'stars', at + 1, '★', `star-${at + 1}`, text)), caption),
      form.resolved && choices(t('solved'), {}, ...['yes', 'no'].map((name) => choice('radio', 'resolved', name, t(name), `resolved-${name}`))),
      form.tags?.length && choices('', {}, ...form.tags.map((tag, at) => choice('checkbox', 'tags', tag, tag, `tag-${at}`))),
      form.comment && h('label', {}, t('comment'), h('textarea', { name: 'comment', rows: 2, maxLength: 1000, test: 'comment' })),
      h('div', { class: 'pair' }, this._submit('rate-send'), decline)));
  }

  async _rate(control, rating, target) {
    const taken = await this._command(control, 'evaluation', rating);
    // A session that is over gives no second chance.
    if (taken || (taken === false && this._over)) this._thank({ target, declined: !taken || rating.declined });
  }

  /** Ends the rating, and thanks once: the answer or the event may come first. */
  _thank({ target, declined }) {
    this._invitation = null;
    this._closeSheet('rating');
    if (!declined && !this._rated[target]) this._line(this.t('thanks'));
    this._rated[target] = true;
    this._render();
  }
}
