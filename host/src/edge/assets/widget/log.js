/** The log: rows, what a message shows, its place. */
class Log extends Sending {
  _row(from, content, file) {
    const { kind } = from;
    const mine = kind === 'visitor';
    const robot = kind === 'robot' ? this._session.config?.robot : undefined;
    const name = from.name || robot?.name || this.t({ visitor: 'you', agent: 'human' }[kind] ?? kind);
    const src = !mine && safeUrl(from.portrait || robot?.icon, this.base);
    const row = h('div', { class: 'message', part: `message ${kind}`, test: 'message', 'data-from': kind, 'data-type': content.type },
      src && h('img', { class: 'face', src, alt: '' }),
      h('div', { class: kind },
        name && h('div', { class: mine ? 'quiet' : 'meta' }, name),
        h('div', { class: 'bubble', part: `bubble ${kind}` }, ...this._content(content, file).filter(Boolean)),
        h('div', { class: 'meta' }, h('time', {}), ' ', h('span', { class: 'note' }), ' ', h('span', { class: 'status' }))));
    if (mine) row.retry = () => this._send(content);
    return row;
  }

  /** What a message says, as nodes; `file` is what this visitor just chose. */
  _content(content, file) {
    const { type } = content;
    const src = file ? URL.createObjectURL(file) : safeUrl(content.url, this.base);
    const onload = () => this._scroll();
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

  _status(row, status, detail) {
    if (!row) return;
    row.dataset.status = status;
    const lost = status === 'failed' || status === 'unknown';
    const again = () => {
      const { retry } = row;
      row.retry = null;
      this._status(row, status, detail);
      retry();
    };
    row.querySelector('.status').replaceChildren(
      [this.t(status), lost && detail].filter(Boolean).join(': '),
      lost && row.retry ? button(this.t('retry'), { test: 'retry', onclick: again }) : '');
  }

  /** Puts a row after what is logged and before what is still on its way. */
  _place(row) {
    const waiting = this._pending[0]?.row;
    if (waiting) waiting.before(row);
    else this.ui.log.append(row);
    this._scroll();
  }

  _line(text) {
    this._place(h('div', { class: 'line', part: 'line', test: 'line' }, text));
  }

  _scroll(always) {
    const { log } = this.ui;
    if (always || log.scrollHeight - log.scrollTop - log.clientHeight < 300) log.scrollTop = log.scrollHeight;
  }
}
