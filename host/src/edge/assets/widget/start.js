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
 * Events: kefu-token-needed (set .token), kefu-session, kefu-event, kefu-reminder, kefu-error.
 * Slots: leave-intro, leave-outro (what stands above and below the form for a message left).
 * CSS: --kefu-accent --kefu-on-accent --kefu-font --kefu-z; parts launcher panel header log message bubble line
 *   actions composer sheet button reminder; of the form for a message left: leave-form field field-<key> label control
 *   submit.
 * data-testid: open badge reminder panel close exit title subtitle notice connection log message (data-from, -type, -id,
 *   -status) line suggestion retry typing alert input send emoji attach file-input voice location record-send record-cancel human group group-any leave leave-link rate restart left
 *   sheet (data-kind: exit groups location leave rating emoji) sheet-close exit-confirm location-label
 *   location-latitude location-longitude location-here location-send leave-<key> leave-send star-1…5 level tag-0…
 *   resolved-yes resolved-no comment rate-send rate-decline.
 */
const ORIGIN = document.currentScript && new URL(document.currentScript.src).origin;
const TRIES = 6;
const TYPING_EVERY = 6000;
const RECORD_LIMIT = 60000;
const FAMILIES = { image: 'image', audio: 'voice', video: 'video' };
const FORMATS = { mpeg: 'mp3', 'x-wav': 'wav', wave: 'wav', mp4: 'm4a', 'x-m4a': 'm4a' };
