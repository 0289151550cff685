//! The cookies of one host: a login, and which replica answers.

use std::collections::BTreeMap;

/// Cookies by name. They go back to the origin that set them and nowhere else, because a client
/// talks to one origin only.
#[derive(Default)]
pub(super) struct Cookies(BTreeMap<String, String>);

impl Cookies {
    /// Takes in a `Set-Cookie` line. One marked `Secure` is dropped where the connection is not.
    pub(super) fn absorb(&mut self, line: &str, secure: bool) {
        let mut parts = line.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (mut needs_secure, mut gone) = (false, false);
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            needs_secure |= key.eq_ignore_ascii_case("secure");
            gone |= key.eq_ignore_ascii_case("max-age")
                && value.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0);
        }
        if gone {
            self.0.remove(name.trim());
        } else if !name.trim().is_empty() && (secure || !needs_secure) {
            self.0.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }

    /// The `Cookie` line; `None` when there is nothing to send.
    pub(super) fn line(&self) -> Option<String> {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::Cookies;

    fn line(lines: &[&str], secure: bool) -> Option<String> {
        let mut cookies = Cookies::default();
        lines.iter().for_each(|line| cookies.absorb(line, secure));
        cookies.line()
    }

    #[test]
    fn a_login_over_plain_http_keeps_the_insecure_cookie_only() {
        let login =
            ["access-token-1=s; HttpOnly; Secure; Path=/", "access-token-unsecure-1=t; HttpOnly"];
        assert_eq!(line(&login, false).as_deref(), Some("access-token-unsecure-1=t"));
        assert_eq!(line(&login, true).unwrap().matches('=').count(), 2);
    }

    #[test]
    fn later_ones_replace_and_expired_ones_go() {
        assert_eq!(line(&["a=1", "a=2; Path=/"], true).as_deref(), Some("a=2"));
        assert_eq!(line(&["a=1", "a=; Max-Age=0"], true), None);
        assert_eq!(line(&["nonsense", "=x", ""], true), None);
    }
}
