//! What differs between the vendors that speak SDP/1.
//!
//! Owns nothing but the differences, as data. Invariant: everything that is not
//! here, all of them do alike.

/// One vendor's ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// Short name; also the key of the profile in the vendor's own words.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    /// `session.open` has to name a channel.
    pub(crate) needs_channel: bool,
    /// Messages are left in the app's form, with these fields; on the vendor's
    /// own page where there are none.
    pub(crate) form: &'static [Field],
    /// Visitors may start a rating, where the settings allow it.
    pub(crate) self_rating: bool,
    /// Events may carry the vendor's numbers.
    pub(crate) numbers: bool,
}

/// A field of the form.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) required: bool,
    pub(crate) multiline: bool,
    pub(crate) verify: Option<&'static str>,
    pub(crate) max: usize,
}
