//! What can be wrong in a template: every message of the two readers.

use super::shown;
use crate::objects::user_template::MAX_ATTRIBUTES;
use thiserror::Error;

/// Why a name is not an attribute's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// There is none.
    #[error("the name of an attribute is missing")]
    Missing,
    /// It has this character.
    #[error("{} cannot stand in a name: use letters, digits and '_'", shown(*.0))]
    Character(char),
}

/// What is wrong at one place of a template. Names and elements are cut to the length of a message already.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateFault {
    /// In text, a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A character beyond what oned's database holds.
    #[error("OpenNebula cannot store the character U+{:04X}", u32::from(*.0))]
    Unstorable(char),
    /// More than [`MAX_ATTRIBUTES`].
    #[error("more than {MAX_ATTRIBUTES} attributes: send fewer")]
    TooMany,
    /// In text, this character where a name should begin.
    #[error("expected the name of an attribute, not {}", shown(*.0))]
    NoName(char),
    /// In text, a name and nothing after it.
    #[error("expected '=' after {0}, found the end of the line")]
    NameOnly(String),
    /// In text, a name and this character.
    #[error("expected '=' after {0}, found {found}; a name has only letters, digits and '_'", found = shown(*.1))]
    NoEquals(String, char),
    /// In text, a name that a vector has twice.
    #[error("{0} comes twice in one vector")]
    Twice(String),
    /// In a vector, this character after an item.
    #[error("expected ',' or ']' in a vector, found {}", shown(*.0))]
    NoComma(char),
    /// A vector without an end.
    #[error("a vector without its closing ']'")]
    OpenVector,
    /// This character after what ends an attribute.
    #[error("unexpected {found} after {1}", found = shown(*.0))]
    After(char, &'static str),
    /// The XML parser's words.
    #[error("not well-formed XML: {0}")]
    NotWellFormed(String),
    /// In an element, text and other elements.
    #[error("text beside elements in <{0}>")]
    TextBesideElements(String),
    /// Text before or after the root element.
    #[error("text outside of the template's element")]
    TextOutside,
    /// Text in the root element.
    #[error("text that is in no attribute")]
    TextInRoot,
    /// Two root elements.
    #[error("a second root element")]
    SecondRoot,
    /// A DTD, which could define entities.
    #[error("a document type (DTD) is not allowed")]
    DocumentType,
    /// The XML ends inside an element.
    #[error("an element is not closed")]
    OpenElement,
    /// XML with a declaration at most.
    #[error("XML without an element")]
    NoElement,
    /// An element named like `<1A>`.
    #[error("the element <{0}> starts with a digit, which XML does not allow")]
    Digit(String),
    /// In XML, an element's name.
    #[error("in the element <{0}>: {1}")]
    ElementName(String, NameError),
    /// An element like `<A B="1">`.
    #[error("<{0}> has XML attributes, which a template does not")]
    XmlAttributes(String),
    /// An element in a vector's item.
    #[error("<{0}> is nested too deeply: a vector holds only names and values")]
    Nested(String),
    /// In XML, a name that a vector has twice, and the vector.
    #[error("{0} comes twice in the vector <{1}>")]
    TwiceIn(String, String),
    /// An entity that only a DTD could define.
    #[error("the entity &{0}; is not defined")]
    Entity(String),
    /// A numeric reference beyond Unicode.
    #[error("the reference &{0}; stands for no character")]
    NoCharacter(String),
}
