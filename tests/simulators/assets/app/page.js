// The demo application's own page: it chooses visitor, desk and language from
// the address, and hands the widget a way to get tokens.
'use strict';

const query = new URLSearchParams(location.search);
const { gateway, desk: defaultDesk } = document.body.dataset;
const lang = query.get('lang') || (navigator.language.startsWith('zh') ? 'zh' : 'en');
const desk = query.get('desk') || defaultDesk;
const visitor = query.get('visitor') || rememberedVisitor();

document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
for (const element of document.querySelectorAll('[data-zh]')) {
  element.textContent = element.dataset[lang] || element.dataset.en;
}
document.getElementById('visitor').textContent = visitor;
document.getElementById('desk').textContent = desk;
document.getElementById('notice').hidden = Boolean(gateway);

const other = new URLSearchParams(query);
other.set('lang', lang === 'zh' ? 'en' : 'zh');
const language = document.getElementById('language');
language.textContent = lang === 'zh' ? 'English' : '中文';
language.lang = lang === 'zh' ? 'en' : 'zh-CN';
language.href = `?${other}`;

if (gateway) embed();

function embed() {
  const chat = document.createElement('kefu-chat');
  const attributes = { gateway, desk, lang, platform: query.get('platform') || 'web', 'app-version': query.get('app_version') };
  for (const [name, value] of Object.entries(attributes)) if (value) chat.setAttribute(name, value);
  if (query.get('look') === 'own') chat.append(...ownLook(chat));
  if (query.get('open') === '1') chat.setAttribute('open', '');
  chat.tokenProvider = async () => {
    const response = await fetch(`/token?visitor=${encodeURIComponent(visitor)}`);
    if (!response.ok) throw new Error((await response.json()).error);
    return (await response.json()).token;
  };
  chat.addEventListener('kefu-session', (event) => {
    const { id, state } = event.detail;
    document.getElementById('session').textContent = `${id} · ${state}`;
  });
  document.body.append(chat);
  document.querySelector('main').addEventListener('click', (event) => {
    const product = event.target.dataset.product;
    if (!product) return;
    const name = event.target.parentElement.querySelector('b').textContent;
    chat.open();
    chat.sendCustom({ name: 'product', payload: { sku: product, page: location.href }, fallback_text: `${event.target.textContent}: ${name}` });
  });
}

/** The form for a message left in the shop's own words; its looks are in page.css. */
function ownLook(chat) {
  chat.className = 'own';
  const words = {
    'leave-intro': ['茶师都在山上采茶。留下电话，天黑前给您回电。', 'Our tea masters are out picking. Leave your number and we call back before dark.'],
    'leave-outro': ['电话只用于回复这一次咨询。', 'Your number is used for this answer only.'],
  };
  return Object.entries(words).map(([slot, [zh, en]]) => Object.assign(document.createElement('p'), { slot, textContent: lang === 'zh' ? zh : en }));
}

/** A visitor of this browser who returns under the same id. */
function rememberedVisitor() {
  const known = localStorage.getItem('demo-visitor');
  if (known) return known;
  const fresh = `visitor-${Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  localStorage.setItem('demo-visitor', fresh);
  return fresh;
}
