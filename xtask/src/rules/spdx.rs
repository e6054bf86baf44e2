//! Licence expressions: whether some allowed choice satisfies one.
//!
//! Owns the grammar that crates use: `OR`, `AND`, `WITH`, parentheses, and the
//! old slash for `OR`. An exception after `WITH` only adds rights, so the
//! licence before it decides.

/// Whether the licences for which `allowed` holds satisfy the expression.
pub(crate) fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        words: &words,
        allowed,
    };
    let outcome = parser.any()?;
    match parser.words.first() {
        None => Ok(outcome),
        Some(word) => Err(format!("nothing may follow at {word:?}")),
    }
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<bool, String> {
        let mut outcome = self.all()?;
        while self.take("OR") {
            outcome |= self.all()?;
        }
        Ok(outcome)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut outcome = self.one()?;
        while self.take("AND") {
            outcome &= self.one()?;
        }
        Ok(outcome)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let outcome = self.any()?;
            return if self.take(")") {
                Ok(outcome)
            } else {
                Err("a parenthesis stays open".to_owned())
            };
        }
        let outcome = (self.allowed)(self.name()?);
        if self.take("WITH") {
            self.name()?;
        }
        Ok(outcome)
    }

    fn name(&mut self) -> Result<&str, String> {
        match self.words.split_first() {
            Some((word, rest)) if !["OR", "AND", "WITH", "(", ")"].contains(word) => {
                self.words = rest;
                Ok(word)
            }
            Some((word, _)) => Err(format!("{word:?} stands where a licence is due")),
            None => Err("it ends where a licence is due".to_owned()),
        }
    }

    fn take(&mut self, expected: &str) -> bool {
        match self.words.split_first() {
            Some((word, rest)) if *word == expected => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_mit_and_isc(expression: &str) -> Result<bool, String> {
        satisfied(expression, &|id| ["MIT", "ISC"].contains(&id))
    }

    #[test]
    fn one_allowed_choice_is_enough_and_every_joined_part_is_needed() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0/MIT", true),
            ("MIT AND ISC", true),
            ("MIT AND GPL-3.0", false),
            ("MIT AND (GPL-3.0 OR ISC)", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("MIT WITH LLVM-exception", true),
        ] {
            assert_eq!(with_mit_and_isc(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn a_broken_expression_is_an_error_and_never_allowed() {
        for expression in [
            "", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT ISC", "MIT WITH",
        ] {
            assert!(with_mit_and_isc(expression).is_err(), "{expression}");
        }
    }
}
