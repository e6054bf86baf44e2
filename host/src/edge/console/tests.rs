//! Over real HTTP, as a browser would, with a gateway that remembers what it
//! was told to do.

mod acting;
mod entering;
mod showing;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request,
    header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE},
};
use http_body_util::{BodyExt, Full};

use super::routes;
use crate::edge::admin::tests::{
    TOKEN,
    fake::State,
    server::{Server, start},
};

/// A browser at the operators' pages, as far as it remembers things.
struct Walker {
    server: Arc<Server>,
    cookie: String,
    lang: &'static str,
}

/// What came back.
struct Page {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Walker {
    /// Not logged in.
    async fn stranger(state: State) -> Self {
        Self {
            server: start(state).await,
            cookie: String::new(),
            lang: "en",
        }
    }

    /// Logged in.
    async fn operator(state: State) -> Self {
        let mut walker = Self::stranger(state).await;
        let page = walker.log_in(TOKEN).await;
        assert_eq!(page.status, 303, "{}", page.text);
        walker.cookie = page.cookie();
        walker
    }

    async fn log_in(&self, token: &str) -> Page {
        self.send("/console/login", &format!("token={token}")).await
    }

    async fn get(&self, path: &str) -> Page {
        self.ask(Method::GET, path, "", &[]).await
    }

    /// Sends a form as it is.
    async fn send(&self, path: &str, form: &str) -> Page {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.ask(Method::POST, path, form, &[kind]).await
    }

    /// Sends a form with what proves it to be this session's.
    async fn submit(&self, path: &str, form: &str) -> Page {
        let csrf = self.csrf().await;
        self.send(path, &format!("csrf={csrf}&{form}")).await
    }

    async fn csrf(&self) -> String {
        let page = self.get("/console/").await;
        let found = page.text.split("name=\"csrf\" value=\"").nth(1);
        found.unwrap().split('"').next().unwrap().to_owned()
    }

    async fn ask(&self, method: Method, path: &str, body: &str, more: &[(&str, &str)]) -> Page {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.server.address))
            .header("accept-language", self.lang);
        if !self.cookie.is_empty() {
            request = request.header(COOKIE, &self.cookie);
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let answer = self.server.ask(request.body(body).unwrap()).await;
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Page {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

impl Page {
    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The first cookie it sets, as it is sent back.
    fn cookie(&self) -> String {
        let set = self.header(SET_COOKIE);
        set.split(';').next().unwrap().to_owned()
    }

    fn leads_to(&self) -> &str {
        self.header(LOCATION)
    }
}

/// A path of the table with something in the place of its parameter.
fn real(pattern: &str) -> String {
    pattern
        .replace("{provider}", "zhichi")
        .replace("{desk}", "support")
        .replace("{letter}", "d1")
        .replace("{migration}", "to-jiaxin")
        .replace("{session}", "s1")
}
