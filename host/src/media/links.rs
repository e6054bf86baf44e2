//! Links to media: ids, signatures, and finding both in texts.
//!
//! Owns the form of an id and of a link. Deliberately touches no file.
//! Invariant: whether an id belongs to a visitor is computed from the id and
//! the key, so nobody can guess an id for somebody else.

use std::{borrow::Cow, fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use kefu_plugin_api::ids::ProviderId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use super::Media;
use crate::session::VisitorKey;

/// One upload: 16 hexadecimal digits that say whose, 32 that say which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaId(String);

impl MediaId {
    /// Reads an id; `None` if the text has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text.as_bytes()).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn owner(&self) -> &str {
        &self.0[..OWNER_DIGITS]
    }
}

impl fmt::Display for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a link in a visitor's message leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// To media of this visitor.
    Own(MediaId),
    /// To this gateway, but to no media of this visitor.
    NotOwn,
    /// Elsewhere.
    Foreign,
}

impl Media {
    /// A new id for an upload of this visitor.
    pub(crate) fn new_id(&self, who: &VisitorKey) -> MediaId {
        let which = uuid::Uuid::now_v7().simple();
        MediaId(format!("{}{which}", self.owner_tag(who)))
    }

    /// The id of the upload that this visitor sends under this idempotency key.
    pub(super) fn keyed_id(&self, who: &VisitorKey, key: &str) -> MediaId {
        let parts = [
            b"upload",
            who.app.as_str().as_bytes(),
            who.visitor.as_bytes(),
            key.as_bytes(),
        ];
        self.id_of(who, &parts)
    }

    /// The id of what is fetched for this visitor from a provider's link, for
    /// this reason: the same again after a restart.
    pub(super) fn fetched_id(
        &self,
        who: &VisitorKey,
        provider: &ProviderId,
        cause: &str,
        url: &str,
    ) -> MediaId {
        let parts: [&[u8]; 6] = [
            b"fetched",
            who.app.as_str().as_bytes(),
            who.visitor.as_bytes(),
            provider.as_str().as_bytes(),
            cause.as_bytes(),
            url.as_bytes(),
        ];
        self.id_of(who, &parts)
    }

    /// The id of an upload in another form.
    pub(super) fn converted_id(&self, who: &VisitorKey, from: &MediaId, to: &str) -> MediaId {
        let parts: [&[u8]; 3] = [b"converted", from.as_str().as_bytes(), to.as_bytes()];
        self.id_of(who, &parts)
    }

    fn id_of(&self, who: &VisitorKey, parts: &[&[u8]]) -> MediaId {
        let which = hex(&self.mac(parts)[..16]);
        MediaId(format!("{}{which}", self.owner_tag(who)))
    }

    /// Whether an id belongs to this visitor.
    pub fn owned_by(&self, id: &MediaId, who: &VisitorKey) -> bool {
        id.owner() == self.owner_tag(who)
    }

    /// What a link leads to. A link of our own form counts wherever it points
    /// to if it is the visitor's: the gateway may have been reached by another
    /// name when it was given out.
    pub fn link(&self, url: &str, who: &VisitorKey) -> Link {
        if let Some(id) = id_in(url)
            && self.owned_by(&id, who)
        {
            return Link::Own(id);
        }
        let ours = url
            .strip_prefix(self.0.public_url.as_str())
            .is_some_and(|path| path.starts_with(PATH));
        if ours { Link::NotOwn } else { Link::Foreign }
    }

    /// The link as it rests in the log: unsigned.
    pub fn canonical_url(&self, id: &MediaId) -> String {
        format!("{}{PATH}{id}", self.0.public_url)
    }

    /// A link that works for the configured time from `now` (seconds since
    /// 1970), and not long after.
    pub fn signed_url(&self, id: &MediaId, now: u64) -> String {
        let expires = expiry(now, self.url_ttl());
        format!(
            "{}?exp={expires}&sig={}",
            self.canonical_url(id),
            self.signature(id, expires)
        )
    }

    /// Whether a link with this expiry and signature is valid at `now`.
    pub fn is_valid(&self, id: &MediaId, expires: u64, signature: &str, now: u64) -> bool {
        let expected = self.signature(id, expires);
        let same = subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), signature.as_bytes());
        bool::from(same) && now < expires
    }

    /// Signs the links to media of this visitor in JSON that the visitor is
    /// shown. Only texts that are such a link as a whole are changed, never a
    /// link inside other text, and never a key.
    pub fn sign_links_in_json<'a>(
        &self,
        json: &'a [u8],
        who: &VisitorKey,
        now: u64,
    ) -> Cow<'a, [u8]> {
        let mut signed: Vec<u8> = Vec::new();
        let mut copied = 0;
        let mut owner = None;
        let mut from = 0;
        while let Some(at) = find(&json[from..], PATH.as_bytes()).map(|at| from + at) {
            from = at + PATH.len();
            let Some((start, end, id)) = whole_text(json, at) else {
                continue;
            };
            if id.owner() != owner.get_or_insert_with(|| self.owner_tag(who)).as_str() {
                continue;
            }
            signed.extend_from_slice(&json[copied..start]);
            signed.extend_from_slice(self.signed_url(&id, now).as_bytes());
            copied = end;
            from = end;
        }
        if copied == 0 {
            return Cow::Borrowed(json);
        }
        signed.extend_from_slice(&json[copied..]);
        Cow::Owned(signed)
    }

    /// Signs these canonical links wherever they stand in what is sent to a
    /// vendor: in JSON, inside other text, or percent-encoded in a form or an
    /// address. Other links are left as they are.
    pub fn sign_listed<'a>(&self, text: &'a [u8], listed: &[String], now: u64) -> Cow<'a, [u8]> {
        let mut text = Cow::Borrowed(text);
        for url in listed {
            let Some(id) = id_in(url) else {
                continue;
            };
            let signed = self.signed_url(&id, now);
            if let Some(changed) = replace(&text, url.as_bytes(), signed.as_bytes()) {
                text = Cow::Owned(changed);
            }
            let encoded = |url: &str| utf8_percent_encode(url, NON_ALPHANUMERIC).to_string();
            // Encoders differ in what they leave alone; these two are the
            // common ones.
            for plain in [&b"-._~"[..], b"-._*"] {
                let form = |url: &str| unescape(&encoded(url), plain);
                if let Some(changed) =
                    replace(&text, form(url).as_bytes(), form(&signed).as_bytes())
                {
                    text = Cow::Owned(changed);
                    break;
                }
            }
        }
        text
    }

    fn owner_tag(&self, who: &VisitorKey) -> String {
        let parts = [
            b"owner",
            who.app.as_str().as_bytes(),
            who.visitor.as_bytes(),
        ];
        hex(&self.mac(&parts)[..OWNER_DIGITS / 2])
    }

    fn signature(&self, id: &MediaId, expires: u64) -> String {
        let expires = expires.to_string();
        let mac = self.mac(&[b"link", id.as_str().as_bytes(), expires.as_bytes()]);
        URL_SAFE_NO_PAD.encode(mac)
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0.key).expect("HMAC takes keys of every length");
        for part in parts {
            // With its length before it, no part can flow into the next.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// The end of a link's time. For long times it is a full hour, so that the same
/// link comes out for a while and browsers find it in their cache.
fn expiry(now: u64, ttl: Duration) -> u64 {
    let expires = now.saturating_add(ttl.as_secs().max(1));
    if ttl >= ROUNDED_FROM {
        return expires.div_ceil(HOUR) * HOUR;
    }
    expires
}

/// The id in a link of our form, signed or not, on whatever host.
fn id_in(url: &str) -> Option<MediaId> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let at = rest.find(PATH)?;
    let rest = &rest[at + PATH.len()..];
    let id = rest.split('?').next()?;
    MediaId::parse(id)
}

/// Start, end and id of the JSON text around a path at `at`, if that text is a
/// link of our form as a whole, and a value.
fn whole_text(json: &[u8], at: usize) -> Option<(usize, usize, MediaId)> {
    // A link is short: looking no further keeps a long text full of paths from
    // being read over and over.
    let first = at.saturating_sub(LONGEST_LINK);
    let last = json.len().min(at + LONGEST_LINK);
    let quote = first + json[first..at].iter().rposition(|byte| *byte == b'"')?;
    let start = quote + 1;
    let end = at + json[at..last].iter().position(|byte| *byte == b'"')?;
    // A quote behind a backslash is a character of a longer text.
    if quote
        .checked_sub(1)
        .is_some_and(|before| json[before] == b'\\')
    {
        return None;
    }
    let text = std::str::from_utf8(&json[start..end]).ok()?;
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_key = json[end + 1..]
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        == Some(&b':');
    if !plain || is_key {
        return None;
    }
    Some((start, end, id_in(text)?))
}

/// Bytes before and behind the path that a link of ours may have.
const LONGEST_LINK: usize = 1_024;

fn is_id(text: &[u8]) -> bool {
    text.len() == ID_DIGITS
        && text
            .iter()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
}

/// Every place of `what` that is not the beginning of a longer id or of an
/// address with a query replaced by `with`; `None` if there is none.
fn replace(text: &[u8], what: &[u8], with: &[u8]) -> Option<Vec<u8>> {
    let mut changed: Option<Vec<u8>> = None;
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = find(&text[from..], what).map(|at| from + at) {
        from = at + what.len();
        let next = text.get(from).copied().unwrap_or(b' ');
        if next.is_ascii_alphanumeric() || next == b'?' {
            continue;
        }
        let out = changed.get_or_insert_default();
        out.extend_from_slice(&text[copied..at]);
        out.extend_from_slice(with);
        copied = from;
    }
    if let Some(out) = &mut changed {
        out.extend_from_slice(&text[copied..]);
    }
    changed
}

/// Takes back the percent-encoding of some characters.
fn unescape(encoded: &str, plain: &[u8]) -> String {
    let mut text = encoded.to_owned();
    for byte in plain {
        text = text.replace(&format!("%{byte:02X}"), &char::from(*byte).to_string());
    }
    text
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let (first, rest) = what.split_first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| byte == first) {
        let at = from + at;
        if text[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const PATH: &str = "/v1/media/";
const OWNER_DIGITS: usize = 16;
const ID_DIGITS: usize = OWNER_DIGITS + 32;
const HOUR: u64 = 3_600;
const ROUNDED_FROM: Duration = Duration::from_secs(12 * HOUR);

#[cfg(test)]
mod tests;
