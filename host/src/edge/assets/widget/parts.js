/** What the window is built from: elements, buttons, icons, links. */
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
