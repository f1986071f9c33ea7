//! oned's XML documents as the JSON that OpenNebula's own tools print (`onevm show -j`): an element's name is a key,
//! its text a string, a repeated name a list, an element without any content `{}`, an empty CDATA section `""`.

use super::unreadable::Unreadable;
use super::xmlrpc::resolve;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// oned's documents nest six deep or so; serde_json drops a value by recursion.
const MAX_DEPTH: usize = 64;

/// Reads the document whose outermost element is `root`, without that outer key.
pub fn parse(xml: &str, root: &str) -> Result<Value, Unreadable> {
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<Element> = Vec::new();
    let other_root = |found: &str| Unreadable::Root(found.to_string(), root.to_string());
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                let name = start.name();
                if open.is_empty() && name.as_ref() != root {
                    return Err(other_root(name.as_ref()));
                }
                if open.len() == MAX_DEPTH {
                    return Err(Unreadable::TooDeep);
                }
                open.push(Element::new(name.as_ref()));
            }
            Event::Empty(empty) => match open.last_mut() {
                Some(parent) => parent.add(empty.name().as_ref(), Value::Object(Map::new())),
                None if empty.name().as_ref() == root => return Ok(Value::Object(Map::new())),
                None => return Err(other_root(empty.name().as_ref())),
            },
            Event::Text(text) => push(&mut open, &text.xml10_content()),
            Event::CData(text) => push(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                push(&mut open, resolve(&reference)?.encode_utf8(&mut [0; 4]))
            }
            Event::End(_) => {
                let element = open.pop().ok_or(Unreadable::NoStart)?;
                let (name, value) = element.close();
                match open.last_mut() {
                    Some(parent) => parent.add(&name, value),
                    None => return Ok(value),
                }
            }
            Event::Eof => return Err(Unreadable::Cut),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
        }
    }
}

/// Reads the BODY of one of OneFlow's documents, JSON in a text: what OneFlow itself answers has the object in its
/// place.
pub fn read_body(document: &mut Value) -> Result<(), Unreadable> {
    let body = document.pointer_mut("/TEMPLATE/BODY");
    if let Some(body) = body
        && let Value::String(text) = body
    {
        *body = serde_json::from_str(text).map_err(Unreadable::Body)?;
    }
    Ok(())
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.get_or_insert_default().push_str(text);
    }
}

struct Element {
    name: String,
    /// `None` until there is text, be it empty.
    text: Option<String>,
    children: Map<String, Value>,
}

impl Element {
    fn new(name: &str) -> Self {
        Element {
            name: name.to_string(),
            text: None,
            children: Map::new(),
        }
    }

    fn add(&mut self, name: &str, value: Value) {
        match self.children.get_mut(name) {
            None => {
                self.children.insert(name.to_string(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }

    fn close(self) -> (String, Value) {
        match self.text {
            Some(text) if self.children.is_empty() => (self.name, Value::String(text)),
            _ => (self.name, Value::Object(self.children)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_read_as_opennebulas_tools_print_them() {
        for (xml, document) in [
            ("<VM/>", json!({})),
            ("<VM></VM>", json!({})),
            (
                "<VM><ID>6</ID><LOCK></LOCK><B/></VM>",
                json!({"ID": "6", "LOCK": {}, "B": {}}),
            ),
            ("<VM><E><![CDATA[]]></E></VM>", json!({"E": ""})),
            ("<VM><E> </E></VM>", json!({"E": " "})),
            (
                "<VM><M><![CDATA[a]]></M><M><![CDATA[]]></M><M/></VM>",
                json!({"M": ["a", "", {}]}),
            ),
            (
                "<VM>\n <A>1</A>\n <B>2</B>\n</VM>",
                json!({"A": "1", "B": "2"}),
            ),
            (
                "<VM><V><A><![CDATA[<b>&amp;]]></A><B>x &lt;&#38;&gt; &#xe9;</B></V></VM>",
                json!({"V": {"A": "<b>&amp;", "B": "x <&> é"}}),
            ),
            (
                "<?xml version=\"1.0\"?><VM><A><![CDATA[1\r\n2]]></A></VM>",
                json!({"A": "1\n2"}),
            ),
            (
                "<VM><Z>1</Z><A>2</A><Z>3</Z></VM>",
                json!({"Z": ["1", "3"], "A": "2"}),
            ),
        ] {
            let read = parse(xml, "VM").expect(xml);
            assert_eq!(read, document, "{xml}");
            assert_eq!(read.to_string(), document.to_string(), "{xml}");
        }
    }

    #[test]
    fn what_is_no_document_is_said_to_be_none() {
        let deep = format!("<VM>{}", "<A>".repeat(100));
        for (xml, words) in [
            ("", "ends in the middle"),
            ("<VM><ID>6</ID>", "ends in the middle"),
            ("<VM><ID>6</VM>", "not well-formed"),
            ("<NET></NET>", "<NET> where <VM>"),
            ("<NET/>", "<NET> where <VM>"),
            ("<VM>&nope;</VM>", "unknown reference"),
            ("<VM>&#0;</VM>", "not well-formed"),
            (deep.as_str(), "too deeply"),
        ] {
            let error = parse(xml, "VM").expect_err(xml).to_string();
            assert!(error.contains(words), "{xml}: {error}");
        }
    }
}
