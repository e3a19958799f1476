//! The status page: five files, built into the binary, that read the director's status and events through the API
//! beside them. It only shows; nothing on it changes anything.
//!
//! | file | noun |
//! |---|---|
//! | `index.html` | the frame |
//! | `page.css` | light and dark, phone and screen |
//! | `page.js` | what is in sight |
//! | `model.js` | a thread of the browser's that asks, searches and remembers |

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::routing::get;

/// Nothing but these files and the API of the same address; no markup from scripts, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types page";

/// Path, media type, text.
const FILES: [(&str, &str, &str); 5] = [
    ("/", "text/html; charset=utf-8", include_str!("index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page.js")),
    ("/model.js", "text/javascript; charset=utf-8", include_str!("model.js")),
    ("/icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

/// The page and its files. The API that they read is expected under `/api/v1/` of the same address.
pub fn routes() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(move || async move { (headers(kind), text) }))
    })
}

fn headers(kind: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // After an upgrade the files must fit each other.
        (CACHE_CONTROL, "no-cache"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(path: &str) -> &'static str {
        FILES.iter().find(|file| file.0 == path).map(|file| file.2).unwrap()
    }

    #[test]
    fn every_file_that_the_page_names_is_served_and_none_is_from_elsewhere() {
        let page = text_of("/");
        let mut named = 0;
        for attribute in ["src=\"", "href=\""] {
            for rest in page.split(attribute).skip(1) {
                let file = rest.split('"').next().unwrap();
                let is_here =
                    file.starts_with('#') || FILES.iter().any(|f| f.0 == format!("/{file}"));
                assert!(is_here, "{file}");
                named += 1;
            }
        }
        assert!(named >= 4, "{named}");
        assert!(text_of("/page.js").contains("'model.js'"));
    }

    #[test]
    fn no_foreign_text_becomes_markup() {
        for path in ["/page.js", "/model.js"] {
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!text_of(path).contains(forbidden), "{path}: {forbidden}");
            }
        }
        assert!(!text_of("/").contains(" style="), "the policy forbids styles in markup");
        let handler = |rest: &str| rest.chars().find(|c| !c.is_ascii_lowercase()) == Some('=');
        assert!(!text_of("/").split(" on").skip(1).any(handler), "and handlers");
    }

    #[test]
    fn every_element_that_the_script_looks_for_exists() {
        let page = text_of("/");
        let names = text_of("/page.js")
            .split("find('")
            .skip(1)
            .map(|rest| rest.split('\'').next().unwrap());
        let missing: Vec<&str> =
            names.filter(|name| !page.contains(&format!("id=\"{name}\""))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
