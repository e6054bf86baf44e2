//! The log-in.

use maud::html;

use crate::edge::console::{
    layout::{Frame, Section},
    parts,
    words::Lang,
};

/// The form; `to` is where it leads, `refused` why it did not.
pub(in crate::edge::console) fn page(to: &str, refused: Option<&str>, lang: Lang) -> Frame {
    let w = lang.words();
    let main = html! {
        section.panel.login {
            p.brand { (parts::mark()) span { (w.product) } }
            h1 { (w.login) }
            p.lead { (w.login_lead) }
            @if let Some(reason) = refused {
                p.notice.bad role="alert" #refused data-testid="refused" { (reason) }
            }
            form method="post" action="/console/login" {
                input type="hidden" name="to" value=(to);
                // For whatever keeps passwords: it stores a name beside each.
                input type="text" name="username" value="operator" autocomplete="username" hidden;
                label for="token" { (w.token) }
                input #token type="password" name="token" autocomplete="current-password" required
                    spellcheck="false" autocapitalize="off" autofocus
                    aria-describedby=[refused.map(|_| "refused")] aria-invalid=[refused.map(|_| "true")];
                button.button type="submit" { (w.login) }
            }
        }
    };
    Frame {
        title: w.login.to_owned(),
        section: Section::Nowhere,
        main,
    }
}
