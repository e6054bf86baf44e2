//! What is filled into a request at the moment of sending.
//!
//! Owns the meaning of every [`Stamp`]. Deliberately fetches nothing: tokens
//! are given. Invariants: stamps are filled in their order, each from the same
//! moment and the same nonce; an error text never holds what would have been
//! filled in.

use std::{cell::OnceCell, collections::BTreeMap, fmt::Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use kefu_plugin_api::{
    http::{Algorithm, Encoding, HttpRequest, Part, Place, Stamp, TimeUnit},
    secret::Secret,
    time::Timestamp,
};
use md5::Md5;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{Account, attempt};

/// What stamps are filled from.
pub(super) struct Moment<'a> {
    /// Whose settings hold the secrets.
    pub(super) account: &'a Account,
    /// The time of the attempt.
    pub(super) now: Timestamp,
    /// 32 random hexadecimal digits, drawn when first needed.
    pub(super) nonce: OnceCell<String>,
    /// The call's own id, the same at each attempt.
    pub(super) delivery_id: &'a str,
    /// Every token that the request names.
    pub(super) tokens: &'a BTreeMap<String, Secret>,
}

/// The tokens that a request names.
pub(super) fn tokens_of(request: &HttpRequest) -> impl Iterator<Item = &str> {
    request.stamps.iter().filter_map(|stamp| match stamp {
        Stamp::Token { name, .. } => Some(name.as_str()),
        _ => None,
    })
}

/// Fills every stamp into the request.
///
/// # Errors
/// What is missing, for operators.
pub(super) fn fill(request: &mut HttpRequest, moment: &Moment<'_>) -> Result<(), String> {
    for stamp in std::mem::take(&mut request.stamps) {
        moment.fill_one(request, stamp)?;
    }
    Ok(())
}

impl Moment<'_> {
    fn fill_one(&self, request: &mut HttpRequest, stamp: Stamp) -> Result<(), String> {
        match stamp {
            Stamp::Token {
                name,
                place,
                prefix,
            } => {
                let token = self
                    .tokens
                    .get(&name)
                    .ok_or_else(|| format!("token `{name}` was not fetched for this request"))?;
                put(request, &place, &format!("{prefix}{}", token.expose()));
            }
            Stamp::Secret { setting, place } => {
                put(request, &place, &self.account.text(&setting)?);
            }
            Stamp::Time { unit, place } => put(request, &place, &self.time(unit)),
            Stamp::Nonce { place } => put(request, &place, self.nonce()),
            Stamp::Digest {
                algorithm,
                key,
                parts,
                encoding,
                place,
            } => {
                let data = self.join(&parts, &request.body)?;
                let digest = self.digest(algorithm, key.as_deref(), &data)?;
                put(request, &place, &encode(encoding, &digest));
            }
            Stamp::StandardWebhooks { setting } => self.sign_webhook(request, &setting)?,
            _ => return Err("a stamp is newer than this gateway; update the gateway".to_owned()),
        }
        Ok(())
    }

    fn nonce(&self) -> &str {
        self.nonce.get_or_init(|| hex(&attempt::random::<16>()))
    }

    fn time(&self, unit: TimeUnit) -> String {
        match unit {
            TimeUnit::Seconds => self.now.unix_seconds().to_string(),
            TimeUnit::Milliseconds => self.now.unix_ms().to_string(),
        }
    }

    fn join(&self, parts: &[Part], body: &[u8]) -> Result<Vec<u8>, String> {
        let mut data = Vec::new();
        for part in parts {
            match part {
                Part::Text { text } => data.extend_from_slice(text.as_bytes()),
                Part::Secret { setting } => {
                    data.extend_from_slice(self.account.text(setting)?.as_bytes());
                }
                Part::Time { unit } => data.extend_from_slice(self.time(*unit).as_bytes()),
                Part::Nonce {} => data.extend_from_slice(self.nonce().as_bytes()),
                Part::Body {} => data.extend_from_slice(body),
                Part::BodyDigest { algorithm } => {
                    let digest = unkeyed(*algorithm, body).ok_or(
                        "a digest of the body alone takes no key; use md5, sha1 or sha256",
                    )?;
                    data.extend_from_slice(encode(Encoding::Hex, &digest).as_bytes());
                }
                _ => {
                    return Err(
                        "a part of a digest is newer than this gateway; update the gateway"
                            .to_owned(),
                    );
                }
            }
        }
        Ok(data)
    }

    fn digest(
        &self,
        algorithm: Algorithm,
        key: Option<&str>,
        data: &[u8],
    ) -> Result<Vec<u8>, String> {
        if let Some(digest) = unkeyed(algorithm, data) {
            return Ok(digest);
        }
        let setting = key.ok_or("a keyed digest names no setting that holds its key")?;
        let key = self.account.text(setting)?;
        Ok(match algorithm {
            Algorithm::HmacSha1 => keyed::<Hmac<Sha1>>(key.as_bytes(), data),
            _ => keyed::<Hmac<Sha256>>(key.as_bytes(), data),
        })
    }

    fn sign_webhook(&self, request: &mut HttpRequest, setting: &str) -> Result<(), String> {
        let secret = self.account.text(setting)?;
        let key = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap_or(&secret))
            .map_err(|_| {
                format!(
                    "setting `{setting}` of provider `{}` is no Standard Webhooks secret; expected `whsec_` and Base64",
                    self.account.id()
                )
            })?;
        let seconds = self.time(TimeUnit::Seconds);
        let mut data = format!("{}.{seconds}.", self.delivery_id).into_bytes();
        data.extend_from_slice(&request.body);
        let signature = STANDARD.encode(keyed::<Hmac<Sha256>>(&key, &data));
        put(request, &Place::header("webhook-id"), self.delivery_id);
        put(request, &Place::header("webhook-timestamp"), &seconds);
        let signature = format!("v1,{signature}");
        put(request, &Place::header("webhook-signature"), &signature);
        Ok(())
    }
}

fn unkeyed(algorithm: Algorithm, data: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Md5 => Some(Md5::digest(data).to_vec()),
        Algorithm::Sha1 => Some(Sha1::digest(data).to_vec()),
        Algorithm::Sha256 => Some(Sha256::digest(data).to_vec()),
        Algorithm::HmacSha1 | Algorithm::HmacSha256 => None,
    }
}

/// What a keyed digest comes to.
pub(crate) fn keyed<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn encode(encoding: Encoding, digest: &[u8]) -> String {
    match encoding {
        Encoding::Base64 => STANDARD.encode(digest),
        Encoding::Hex => hex(digest),
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn put(request: &mut HttpRequest, place: &Place, value: &str) {
    match place {
        Place::Header { name } => {
            request
                .headers
                .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            request
                .headers
                .push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Place::Query { name } => append_query(&mut request.url, name, value),
    }
}

/// Adds a parameter to an address.
pub(crate) fn append_query(url: &mut String, name: &str, value: &str) {
    // A fragment is never sent, and would swallow what is appended.
    if let Some(fragment) = url.find('#') {
        url.truncate(fragment);
    }
    match url.chars().last() {
        Some('?' | '&') => {}
        _ if url.contains('?') => url.push('&'),
        _ => url.push('?'),
    }
    url.extend(utf8_percent_encode(name, QUERY));
    url.push('=');
    url.extend(utf8_percent_encode(value, QUERY));
}

/// Everything but the unreserved characters of RFC 3986.
pub(crate) const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::delivery::account::tests::account;

    #[test]
    fn standard_webhooks_are_signed_as_the_specification_shows() {
        // The test vector of the specification's own reference libraries.
        let account = account(
            json!({"secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_b2xk"]}),
            &[],
        );
        let mut request = HttpRequest::default().with_stamp(Stamp::StandardWebhooks {
            setting: "secrets".into(),
        });
        request.body = br#"{"test": 2432232314}"#.to_vec();
        let tokens = BTreeMap::new();
        let mut moment = moment(&account, &tokens);
        moment.delivery_id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        fill(&mut request, &moment).unwrap();
        assert_eq!(
            header(&request, "webhook-signature"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(header(&request, "webhook-id"), moment.delivery_id);
        assert_eq!(header(&request, "webhook-timestamp"), "1614265330");
    }

    #[test]
    fn digests_agree_with_published_vectors() {
        // RFC 1321 A.5, RFC 3174 and FIPS 180-2 for "abc"; RFC 2202 and RFC
        // 4231 test case 2 for the keyed ones.
        let abc = |algorithm| digest(algorithm, None, "abc");
        assert_eq!(abc(Algorithm::Md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            abc(Algorithm::Sha1),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(
            abc(Algorithm::Sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let keyed = |algorithm| digest(algorithm, Some("Jefe"), "what do ya want for nothing?");
        assert_eq!(
            keyed(Algorithm::HmacSha1),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            keyed(Algorithm::HmacSha256),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn every_part_takes_its_place_in_a_digest() {
        let account = account(json!({"app": {"key": "k"}}), &[]);
        let tokens = BTreeMap::new();
        let moment = moment(&account, &tokens);
        let parts = [
            Part::Text { text: "id".into() },
            Part::Secret {
                setting: "app.key".into(),
            },
            Part::Time {
                unit: TimeUnit::Seconds,
            },
            Part::Time {
                unit: TimeUnit::Milliseconds,
            },
            Part::Nonce {},
            Part::Body {},
            Part::BodyDigest {
                algorithm: Algorithm::Md5,
            },
        ];
        let joined = moment.join(&parts, b"abc").unwrap();
        assert_eq!(
            String::from_utf8(joined).unwrap(),
            "idk16142653301614265330042nonceabc900150983cd24fb0d6963f7d28e17f72"
        );
    }

    #[test]
    fn values_are_put_where_they_belong() {
        let account = account(json!({"key": "a&b=c d中"}), &[]);
        let tokens = BTreeMap::from([("api".to_owned(), Secret::new("t0k"))]);
        let mut request = HttpRequest::get("https://a.com/x#part")
            .with_header("Authorization", "old")
            .with_stamp(Stamp::Token {
                name: "api".into(),
                place: Place::header("Authorization"),
                prefix: "Bearer ".into(),
            })
            .with_stamp(Stamp::Secret {
                setting: "key".into(),
                place: Place::query("k y"),
            })
            .with_stamp(Stamp::Time {
                unit: TimeUnit::Milliseconds,
                place: Place::query("t"),
            })
            .with_stamp(Stamp::Nonce {
                place: Place::header("x-nonce"),
            });
        fill(&mut request, &moment(&account, &tokens)).unwrap();
        assert_eq!(
            request.url,
            "https://a.com/x?k%20y=a%26b%3Dc%20d%E4%B8%AD&t=1614265330042"
        );
        assert_eq!(
            request.headers,
            [
                ("authorization".to_owned(), "Bearer t0k".to_owned()),
                ("x-nonce".to_owned(), "nonce".to_owned()),
            ]
        );
        assert!(request.stamps.is_empty());
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_secret_with_it() {
        let account = account(json!({"bad": "whsec_!!", "empty": ""}), &[]);
        let tokens = BTreeMap::new();
        let secret = |setting: &str| Stamp::Secret {
            setting: setting.into(),
            place: Place::query("k"),
        };
        let digest = |algorithm, key: Option<&str>, parts| Stamp::Digest {
            algorithm,
            key: key.map(str::to_owned),
            parts,
            encoding: Encoding::Hex,
            place: Place::query("s"),
        };
        for (stamp, named) in [
            (secret("gone"), "`gone`"),
            (secret("empty"), "`empty`"),
            (
                Stamp::StandardWebhooks {
                    setting: "bad".into(),
                },
                "`bad`",
            ),
            (
                Stamp::Token {
                    name: "api".into(),
                    place: Place::query("t"),
                    prefix: String::new(),
                },
                "`api`",
            ),
            (digest(Algorithm::HmacSha1, None, vec![]), "key"),
            (
                digest(Algorithm::HmacSha256, Some("gone"), vec![]),
                "`gone`",
            ),
            (
                digest(
                    Algorithm::Md5,
                    None,
                    vec![Part::BodyDigest {
                        algorithm: Algorithm::HmacSha1,
                    }],
                ),
                "takes no key",
            ),
        ] {
            let mut request = HttpRequest::get("https://a.com/").with_stamp(stamp);
            let error = fill(&mut request, &moment(&account, &tokens)).unwrap_err();
            assert!(error.contains(named), "{error}");
            assert!(!error.contains("!!"), "{error}");
        }
    }

    fn digest(algorithm: Algorithm, key: Option<&str>, data: &str) -> String {
        let account = account(json!({"key": key.unwrap_or("none")}), &[]);
        let tokens = BTreeMap::new();
        let moment = moment(&account, &tokens);
        let setting = key.map(|_| "key");
        hex(&moment.digest(algorithm, setting, data.as_bytes()).unwrap())
    }

    fn moment<'a>(account: &'a Account, tokens: &'a BTreeMap<String, Secret>) -> Moment<'a> {
        Moment {
            account,
            now: Timestamp::from_unix_ms(1_614_265_330_042),
            nonce: OnceCell::from("nonce".to_owned()),
            delivery_id: "s.1",
            tokens,
        }
    }

    fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
        let found = request.headers.iter().find(|(other, _)| other == name);
        &found.expect("the header is there").1
    }
}
