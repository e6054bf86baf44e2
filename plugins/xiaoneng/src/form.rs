//! The form in which a message is left: telephone, e-mail, content.
//!
//! Owns its fields and what an operator may change about them. The vendor's
//! config wins over both.

use kefu_plugin_api::prelude::{FormField, JsonSchema, OpenError, Verify};
use serde::Deserialize;

/// One field of the form, as an operator writes it. 留言表单的一个字段。
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Key under which Xiaoneng is sent the value: phone, email, content, or
    /// one of its own. 发送给小能的键：phone、email、content 或自定义。
    key: String,
    /// Caption. 显示名称。
    label: String,
    /// Whether it must be filled. 是否必填。
    #[serde(default)]
    required: bool,
    /// Whether it may have several lines. 是否多行。
    #[serde(default)]
    multiline: bool,
    /// What the value must look like: phone or email. 格式校验：phone 或 email。
    verify: Option<Verify>,
    /// At most so many characters. 最大字符数。
    max: Option<u32>,
}

/// The form of a vendor that describes none.
pub(crate) fn fields() -> Vec<FormField> {
    let field = |key: &str, label: &str, max: u32| FormField {
        key: key.to_owned(),
        label: label.to_owned(),
        required: true,
        multiline: false,
        verify: None,
        max: Some(max),
    };
    vec![
        FormField {
            verify: Some(Verify::Phone),
            ..field("phone", "电话", 20)
        },
        FormField {
            verify: Some(Verify::Email),
            required: false,
            ..field("email", "邮箱", 100)
        },
        FormField {
            multiline: true,
            ..field("content", "留言内容", 1_000)
        },
    ]
}

/// The operator's form.
///
/// # Errors
/// If a key is empty or used twice, or no field takes the message itself.
pub(crate) fn checked(fields: Vec<Field>) -> Result<Vec<FormField>, OpenError> {
    let refused = |detail: String| Err(OpenError::setting("leave_message_fields", detail));
    for (at, field) in fields.iter().enumerate() {
        if field.key.is_empty() || field.label.is_empty() {
            return refused(format!("field {} has an empty `key` or `label`", at + 1));
        }
        if fields[..at].iter().any(|earlier| earlier.key == field.key) {
            return refused(format!("the key `{}` is used twice", field.key));
        }
    }
    if !fields.iter().any(|field| field.key == "content") {
        return refused("no field has the key `content`, which holds the message".to_owned());
    }
    Ok(fields.into_iter().map(FormField::from).collect())
}

impl From<Field> for FormField {
    fn from(field: Field) -> Self {
        Self {
            key: field.key,
            label: field.label,
            required: field.required,
            multiline: field.multiline,
            verify: field.verify,
            max: field.max,
        }
    }
}
