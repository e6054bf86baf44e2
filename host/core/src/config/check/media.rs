//! Checks of `[media]`, of the main file and of providers.
//!
//! Owns which content types are taken unless the file says otherwise, and which
//! never are. Deliberately looks at no upload. Invariant: no type that a browser
//! would run passes, whatever the file lists.

use super::Checker;
use crate::config::{
    AllowedHost, Converter, Inbound, InboundMedia, Media, MediaRule, MediaStore, S3,
    address::parse_base_url, raw,
};

pub(super) fn check(checker: &mut Checker, raw: raw::Media) -> Media {
    let mut rule = |name: &str, raw: raw::MediaRule, max_size: &str, types: &[&str]| {
        let types = match raw.types {
            None => types.iter().map(|one| (*one).to_owned()).collect(),
            Some(given) => content_types(checker, &format!("media.{name}.types"), given),
        };
        let key = format!("media.{name}.max_size");
        MediaRule {
            max_size: checker.size(&key, raw.max_size, max_size, "1KiB", "2GiB"),
            types,
        }
    };
    let image = rule("image", raw.image, "10MiB", &IMAGE);
    let voice = rule("voice", raw.voice, "5MiB", &VOICE);
    let video = rule("video", raw.video, "50MiB", &VIDEO);
    let file = rule("file", raw.file, "20MiB", &FILE);
    let signing_key = raw.signing_key.map(|key| {
        let right = "set at least 32 random characters, the same for all gateways of the store";
        checker.secret("media.signing_key", Some(key), 32, right)
    });
    let retention = raw
        .retention
        .map(|time| checker.duration("media.retention", Some(time), "30d", "1m", "36500d"));
    Media {
        dir: checker.path("media.dir", raw.dir, "data/media"),
        store: store(checker, raw.store, raw.s3),
        signing_key,
        url_ttl: checker.duration("media.url_ttl", raw.url_ttl, "7d", "1m", "3650d"),
        retention,
        converters: converters(checker, raw.converters),
        image,
        voice,
        video,
        file,
    }
}

/// `[media]` of a provider.
pub(super) fn inbound(checker: &mut Checker, raw: raw::InboundMedia) -> InboundMedia {
    let choices = [("link", Inbound::Link), ("fetch", Inbound::Fetch)];
    InboundMedia {
        inbound: checker.choice("media.inbound", raw.inbound, &choices),
        hosts: checker.parsed(
            "media.hosts",
            raw.hosts,
            true,
            AllowedHost::parse,
            "is not a host",
            "use a host name with or without a port, such as \"img.sobot.com\"",
        ),
        deadline: checker.duration("media.deadline", raw.deadline, "10s", "100ms", "5m"),
    }
}

fn store(checker: &mut Checker, url: Option<String>, s3: Option<raw::S3>) -> MediaStore {
    let Some(url) = url else {
        if s3.is_some() {
            let right = "name the bucket in `media.store`, or remove this table";
            checker.error("media.s3", "stands without a bucket", right);
        }
        return MediaStore::Folder;
    };
    let place = url.strip_prefix("s3://").map(|rest| {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        (bucket.to_owned(), prefix.trim_matches('/').to_owned())
    });
    let Some((bucket, prefix)) = place.filter(|(bucket, prefix)| is_place(bucket, prefix)) else {
        let right = "use \"s3://bucket/prefix\", or leave the key out to keep media in `media.dir`";
        checker.error("media.store", "is no bucket", right);
        return MediaStore::Folder;
    };
    let raw = s3.unwrap_or_default();
    let endpoint = raw.endpoint.and_then(|text| {
        let read = parse_base_url(&text);
        if read.is_none() {
            let right = "use the address of the store, such as \"https://s3.example.com\"";
            checker.error("media.s3.endpoint", "is not a web address", right);
        }
        read
    });
    let mut key = |name: &str, value| {
        let right = "set it by reference, such as \"${KEFU_S3_KEY}\"";
        checker.secret(&format!("media.s3.{name}"), value, 1, right)
    };
    let access_key = key("access_key", raw.access_key);
    let secret_key = key("secret_key", raw.secret_key);
    MediaStore::S3(Box::new(S3 {
        bucket,
        prefix,
        path_style: raw.path_style.unwrap_or(endpoint.is_some()),
        endpoint,
        region: raw.region.unwrap_or_else(|| "us-east-1".to_owned()),
        access_key,
        secret_key,
    }))
}

/// Whether a bucket and a prefix are made of what every such store takes.
fn is_place(bucket: &str, prefix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let part =
        |part: &str| !part.is_empty() && !matches!(part, "." | "..") && part.bytes().all(plain);
    (3..=63).contains(&bucket.len())
        && part(bucket)
        && (prefix.is_empty() || prefix.split('/').all(part))
}

fn converters(checker: &mut Checker, raw: Vec<raw::Converter>) -> Vec<Converter> {
    let mut converters = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let key = |name: &str| format!("media.converters[{index}].{name}");
        let known = format!("use one of {}", VOICE_FORMATS.join(", "));
        let is_known = |text: &str| VOICE_FORMATS.contains(&text).then(|| text.to_owned());
        if raw.from.texts.is_empty() {
            checker.missing(&key("from"), &known);
        }
        let (texts, is_list) = (raw.from.texts, raw.from.is_list);
        let unknown = "is no form of voice that is known here";
        let from = checker.parsed(&key("from"), texts, is_list, is_known, unknown, &known);
        let to = checker.required(&key("to"), raw.to, &known);
        if !to.is_empty() && is_known(&to).is_none() {
            checker.error(&key("to"), unknown, &known);
        }
        let right = "use the program and its arguments, with {input} and {output} among them, such as [\"ffmpeg\", \"-i\", \"{input}\", \"{output}\"]";
        let names = |what: &str| raw.command.iter().skip(1).any(|word| word.contains(what));
        match raw.command.first() {
            None => checker.missing(&key("command"), right),
            Some(_) if !names("{input}") || !names("{output}") => {
                checker.error(&key("command"), "does not say where its files go", right);
            }
            Some(_) => {}
        }
        converters.push(Converter {
            from,
            to,
            command: raw.command,
            timeout: checker.duration(&key("timeout"), raw.timeout, "10s", "100ms", "5m"),
            max_size: checker.size(&key("max_size"), raw.max_size, "10MiB", "1KiB", "2GiB"),
        });
    }
    converters
}

fn content_types(checker: &mut Checker, key: &str, given: Vec<String>) -> Vec<String> {
    let is_type = |text: &str| {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-+._".contains(&b))
        };
        let (kind, subtype) = text.split_once('/')?;
        (part(kind) && part(subtype)).then(|| text.to_ascii_lowercase())
    };
    let types = checker.parsed(
        key,
        given,
        true,
        is_type,
        "is no content type",
        "use one without parameters, such as \"image/png\"",
    );
    for (index, content_type) in types.iter().enumerate() {
        if ACTIVE.contains(&content_type.as_str()) {
            let right = "remove it: an upload could act in the name of whoever opens it";
            checker.error(
                &format!("{key}[{index}]"),
                "is run by browsers, not shown",
                right,
            );
        }
    }
    types
}

/// Forms of voice by their short names, as messages name them.
const VOICE_FORMATS: [&str; 7] = ["mp3", "wav", "amr", "aac", "m4a", "ogg", "webm"];

const IMAGE: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
const VOICE: [&str; 9] = [
    "audio/mpeg",
    "audio/wav",
    "audio/x-wav",
    "audio/amr",
    "audio/aac",
    "audio/mp4",
    "audio/m4a",
    "audio/ogg",
    "audio/webm",
];
const VIDEO: [&str; 3] = ["video/mp4", "video/webm", "video/quicktime"];
const FILE: [&str; 8] = [
    "application/pdf",
    "application/zip",
    "text/plain",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
];

/// Content types that may carry script; media are served from the gateway's
/// own origin, where the widget lives.
const ACTIVE: [&str; 8] = [
    "text/html",
    "application/xhtml+xml",
    "image/svg+xml",
    "text/xml",
    "application/xml",
    "text/javascript",
    "application/javascript",
    "application/ecmascript",
];
