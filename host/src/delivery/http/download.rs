//! Fetching what a vendor links to, piece by piece.
//!
//! Owns the request and the redirects it may follow. Deliberately keeps
//! nothing and judges no content. Invariant: every address that is asked was
//! checked, those that redirects lead to included, and names are resolved by
//! the guarded resolver.

use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{ACCEPT, LOCATION, USER_AGENT},
};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::Client;

use super::{AGENT, Connector, chain, new_client};

/// Fetches. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Downloads(Client<Connector, Empty<Bytes>>);

/// Something that is being fetched.
pub(crate) struct Download {
    body: Incoming,
    /// Bytes, where the server said so.
    pub(crate) length: Option<u64>,
}

impl Downloads {
    pub(crate) fn new() -> Self {
        Self(new_client())
    }

    /// Asks for an address that `check` allows.
    ///
    /// # Errors
    /// Why there is nothing to be had, for operators; no address is in it.
    pub(crate) async fn get(
        &self,
        url: &str,
        check: impl Fn(&Uri) -> Result<(), String> + Send,
    ) -> Result<Download, String> {
        let mut uri: Uri = url
            .parse()
            .map_err(|error| format!("the address cannot be used: {error}"))?;
        for _ in 0..=REDIRECTS {
            check(&uri)?;
            let mut request = Request::new(Empty::new());
            *request.uri_mut() = uri.clone();
            let headers = request.headers_mut();
            headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
            let answer = self.0.request(request).await;
            let answer = answer.map_err(|error| chain(&error))?;
            match answer.status() {
                StatusCode::OK => {
                    let body = answer.into_body();
                    let length = body.size_hint().exact();
                    return Ok(Download { body, length });
                }
                status if status.is_redirection() => {
                    let to = answer.headers().get(LOCATION);
                    let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
                    uri = redirected(&uri, to)?;
                }
                status => return Err(format!("it is answered by {status}")),
            }
        }
        Err(format!("it is redirected more than {REDIRECTS} times"))
    }
}

impl Download {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// It broke off.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| format!("it broke off: {}", chain(&error)))?;
            if let Ok(piece) = frame.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

/// Where a redirect leads: to a whole address, or to a path of the same host.
fn redirected(from: &Uri, to: &str) -> Result<Uri, String> {
    let bad = || "it is redirected to what is no address".to_owned();
    let whole = if to.starts_with('/') && !to.starts_with("//") {
        let scheme = from.scheme_str().ok_or_else(bad)?;
        let authority = from.authority().ok_or_else(bad)?;
        format!("{scheme}://{authority}{to}")
    } else {
        to.to_owned()
    };
    let uri: Uri = whole.parse().map_err(|_| bad())?;
    if from.scheme_str() == Some("https") && uri.scheme_str() != Some("https") {
        return Err("it is redirected to where it would not be encrypted".to_owned());
    }
    Ok(uri)
}

/// As many as stores of media use: from a short link to a server near by.
const REDIRECTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_an_address_or_a_path_and_never_out_of_encryption() {
        let from: Uri = "https://a.example:8443/x?y".parse().unwrap();
        let to = |to: &str| redirected(&from, to).map(|uri| uri.to_string());
        assert_eq!(to("/z?q=1").unwrap(), "https://a.example:8443/z?q=1");
        assert_eq!(to("https://b.example/z").unwrap(), "https://b.example/z");
        assert!(to("http://b.example/z").is_err());
        for bad in ["", "//b.example/z", "z", "ftp://b.example/"] {
            assert!(to(bad).is_err(), "{bad}");
        }
    }
}
