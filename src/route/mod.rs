//! From who called which number to what happens: routes in the order of the configuration, the first that fits.

use crate::config::Route;
use crate::number::Number;

/// The routes of a gateway.
#[derive(Clone, Debug, Default)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// Routes in the order in which they are tried.
    pub const fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// The route of a call from `trunk` to `called`, and the number to dial there. A call whose number is not known
    /// fits only routes that ask for none, and needs one that names what to dial.
    pub fn find(&self, trunk: &str, called: Option<&Number>) -> Option<(&Route, Number)> {
        self.0.iter().filter(|route| route.from == trunk).find_map(|route| {
            match (&route.matching, called) {
                (Some(pattern), Some(called)) if !pattern.matches(called) => return None,
                (Some(_), None) => return None,
                (Some(_), Some(_)) | (None, _) => {}
            }
            let number = route.number.as_deref().map(Number::parse).or_else(|| called.cloned())?;
            Some((route, number))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, FixedEnvironment};

    fn routes(rules: &str) -> Routes {
        let trunks: String = ["a", "b", "c"]
            .iter()
            .zip(1..)
            .map(|(name, i)| format!("[trunk.{name}]\nserver = \"sip:192.0.2.{i}\"\nidentify = [\"192.0.2.{i}\"]\n"))
            .collect();
        Routes::new(Config::parse(&format!("{trunks}{rules}"), "t.toml", &FixedEnvironment::default()).unwrap().routes)
    }

    fn found(routes: &Routes, trunk: &str, called: &str) -> Option<(String, String)> {
        let called = Number::parse(called);
        routes.find(trunk, Some(&called)).map(|(route, number)| (route.to.clone(), number.to_string()))
    }

    #[test]
    fn the_first_route_that_fits_is_taken() {
        let routes = routes(
            "[[route]]\nfrom = \"a\"\nto = \"b\"\nmatch = \"+7495*\"\nnumber = \"john\"\n\
             [[route]]\nfrom = \"a\"\nto = \"c\"\n",
        );
        assert_eq!(found(&routes, "a", "84951234567"), Some(("b".into(), "john".into())));
        assert_eq!(found(&routes, "a", "84991234567"), Some(("c".into(), "+74991234567".into())));
        assert_eq!(found(&routes, "b", "84951234567"), None);
    }

    #[test]
    fn a_call_without_a_number_fits_a_route_that_says_what_to_dial() {
        let with = routes("[[route]]\nfrom = \"a\"\nto = \"b\"\nnumber = \"+74951234567\"\n");
        assert_eq!(with.find("a", None).map(|(_, number)| number.to_string()), Some("+74951234567".into()));
        let without = routes("[[route]]\nfrom = \"a\"\nto = \"b\"\n");
        assert!(without.find("a", None).is_none());
    }
}
