//! Tables of what is read, refused and written; properties over arbitrary input. The recorded updates are
//! sent by `tests/recordings.rs`.

use super::*;
use proptest::prelude::*;

fn text(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.into(),
        value: AttributeValue::Text(value.into()),
    }
}

fn items(name: &str, items: &[(&str, &str)]) -> Attribute {
    let items = items
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    Attribute {
        name: name.into(),
        value: AttributeValue::Vector(items),
    }
}

#[test]
fn text_is_read_as_meant() {
    let cases: &[(&str, &[Attribute])] = &[
        ("", &[]),
        (" \n\t\\n # nothing\n", &[]),
        ("A=1", &[text("A", "1")]),
        ("a_b = c d ", &[text("A_B", "c d")]),
        ("A=\nB=", &[text("A", ""), text("B", "")]),
        ("A= \\nB=2", &[text("A", ""), text("B", "2")]),
        ("A=1\r\nB=2\r\n", &[text("A", "1"), text("B", "2")]),
        // The literal newline: a separator before NAME=, before another one and at the end; a value's own elsewhere.
        (r"A=1\nB=2\n", &[text("A", "1"), text("B", "2")]),
        (r"A=1\n\n b =2", &[text("A", "1"), text("B", "2")]),
        ("A=1\\n\nB=2", &[text("A", "1"), text("B", "2")]),
        (r"DIR=C:\new", &[text("DIR", r"C:\new")]),
        (
            r"DIR=C:\new\nB=2",
            &[text("DIR", r"C:\new"), text("B", "2")],
        ),
        (r"M=one\ntwo\n\nthree", &[text("M", r"one\ntwo\n\nthree")]),
        (r"M=one\n# two", &[text("M", r"one\n# two")]),
        (r"# c\nA=1", &[text("A", "1")]),
        (r#"A="C:\new=1""#, &[text("A", r"C:\new=1")]),
        // Quotes: kept exactly, newlines and blanks too; only \" is an escape, as in oned.
        (
            "A=\" x\n y \"\nB=2",
            &[text("A", " x\n y "), text("B", "2")],
        ),
        (
            r#"A="say \"hi\", \\ and \t""#,
            &[text("A", r#"say "hi", \\ and \t"#)],
        ),
        (r#"A="C:\""#, &[text("A", r"C:\")]),
        (
            r#"A="1"B="2" C=3 # D=4"#,
            &[text("A", "1"), text("B", "2"), text("C", "3 # D=4")],
        ),
        (
            "A=\"1\" # one\n#two\nB=2",
            &[text("A", "1"), text("B", "2")],
        ),
        ("A=\"x\nB=2", &[text("A", "\"x"), text("B", "2")]),
        // Vectors, and what only looks like one.
        ("V=[B=1,A=2]", &[items("V", &[("A", "2"), ("B", "1")])]),
        (
            "V = [\n  a = \"1, ]\",\n  B = two words ]\nC=3",
            &[
                items("V", &[("A", "1, ]"), ("B", "two words")]),
                text("C", "3"),
            ],
        ),
        (
            r"V=[\n A=1,\n B=2\n]\nC=3",
            &[items("V", &[("A", "1"), ("B", "2")]), text("C", "3")],
        ),
        ("V=[A=]", &[items("V", &[("A", "")])]),
        (
            "V=[A=1] V=[A=2]",
            &[items("V", &[("A", "1")]), items("V", &[("A", "2")])],
        ),
        ("V=[1,2]", &[text("V", "[1,2]")]),
        ("V=[]", &[text("V", "[]")]),
        ("V=[ \"a=b\" ]", &[text("V", "[ \"a=b\" ]")]),
        (
            "J={\"a\": [1, {\"b\": \"c=d\"}]}",
            &[text("J", "{\"a\": [1, {\"b\": \"c=d\"}]}")],
        ),
        ("é=1", &[]),
    ];
    for (template, expected) in cases {
        match parse(template) {
            Ok(attributes) => assert_eq!(attributes, *expected, "{template:?}"),
            Err(error) => assert_eq!(*template, "é=1", "{error}"),
        }
    }
}

#[test]
fn xml_is_read_exactly() {
    let cases: &[(&str, &[Attribute])] = &[
        ("<TEMPLATE/>", &[]),
        (
            " <?xml version='1.0'?>\n<T>\n <!-- no --> <?p i?>\n</T>\n",
            &[],
        ),
        (
            "<TEMPLATE><A>1</A><b_2>x</b_2></TEMPLATE>",
            &[text("A", "1"), text("B_2", "x")],
        ),
        ("<T><A>1</A><A>2</A></T>", &[text("A", "1"), text("A", "2")]),
        (
            "<T><A/><B></B><C> x </C></T>",
            &[text("A", ""), text("B", ""), text("C", " x ")],
        ),
        (
            "<T><A>a\r\nb&#13;&#10;c&#9;</A></T>",
            &[text("A", "a\nb\r\nc\t")],
        ),
        (
            "<T><A>&lt;&amp;&gt;&quot;&apos;&#44;&#x2C;</A></T>",
            &[text("A", "<&>\"',,")],
        ),
        (
            "<T><A>x<![CDATA[<b>&amp;]]>y<!-- z --></A></T>",
            &[text("A", "x<b>&amp;y")],
        ),
        ("<T><A>]]&gt;</A></T>", &[text("A", "]]>")]),
        (
            "<T><V>\n <B>1</B>\n <A>2</A>\n</V></T>",
            &[items("V", &[("A", "2"), ("B", "1")])],
        ),
        (r"<T><A>C:\new\nB=2</A></T>", &[text("A", r"C:\new\nB=2")]),
    ];
    for (template, expected) in cases {
        assert_eq!(parse(template).as_deref(), Ok(*expected), "{template:?}");
    }
}

#[test]
fn refusals_say_where_and_what() {
    let cases: &[(&str, usize, usize, &str)] = &[
        (
            "A=1\nJUSTTEXT",
            2,
            9,
            "expected '=' after JUSTTEXT, found the end of the line",
        ),
        ("A=1\n B C=2", 2, 4, "expected '=' after B, found 'C'"),
        (
            "A-B=1",
            1,
            2,
            "found '-'; a name has only letters, digits and '_'",
        ),
        ("=1", 1, 1, "expected the name of an attribute, not '='"),
        ("é=1", 1, 1, "expected the name of an attribute, not 'é'"),
        ("É=1\nÉ", 1, 1, "not 'É'"),
        ("A=\"é\" x", 1, 7, "unexpected 'x' after the closing quote"),
        (
            "A=\"x\nB=\"y\"",
            2,
            4,
            "unexpected 'y' after the closing quote",
        ),
        (
            "V=[A=1] x",
            1,
            9,
            "unexpected 'x' after the closing bracket",
        ),
        ("V=[A=1", 1, 3, "a vector without its closing ']'"),
        ("V=[A=1,", 1, 8, "the name of an attribute is missing"),
        (
            "V=[A=1,]",
            1,
            8,
            "expected the name of an attribute, not ']'",
        ),
        ("V=[A=1,2]", 1, 9, "expected '=' after 2, found ']'"),
        (
            "V=[A=\"1\" B=2]",
            1,
            10,
            "expected ',' or ']' in a vector, found 'B'",
        ),
        ("V=[A=1,a=2]", 1, 3, "A comes twice in one vector"),
        ("A=\u{7}", 1, 3, "cannot store the character U+0007"),
        (
            "A=1\nB=\u{1f600}",
            2,
            3,
            "cannot store the character U+1F600",
        ),
        ("A=\u{ffff}", 1, 3, "cannot store the character U+FFFF"),
        (
            "<T><A>&#128512;</A></T>",
            1,
            7,
            "cannot store the character U+1F600",
        ),
        (
            "<T><A>&#7;</A></T>",
            1,
            7,
            "cannot store the character U+0007",
        ),
        (
            "<T><A>&#xFFFE;</A></T>",
            1,
            7,
            "cannot store the character U+FFFE",
        ),
        ("<T><A>&#0;</A></T>", 1, 7, "stands for no character"),
        ("<T><A>&#xD800;</A></T>", 1, 7, "stands for no character"),
        (
            "<T><A>&#9999999999;</A></T>",
            1,
            7,
            "stands for no character",
        ),
        (
            "<T><A>&lol;</A></T>",
            1,
            7,
            "the entity &lol; is not defined",
        ),
        (
            "<!DOCTYPE T [<!ENTITY a \"b\">]><T><A>&a;</A></T>",
            1,
            1,
            "a document type (DTD) is not allowed",
        ),
        ("<T><A>1</B></T>", 1, 8, "not well-formed XML"),
        ("<T><A>1", 1, 8, "an element is not closed"),
        ("<T>x</T>", 1, 4, "text that is in no attribute"),
        ("<T/>x", 1, 5, "text outside"),
        ("<T/><T/>", 1, 5, "a second root element"),
        ("<!-- -->", 1, 9, "XML without an element"),
        ("<T><A x='1'/></T>", 1, 4, "<A> has XML attributes"),
        (
            "<T><A-B/></T>",
            1,
            4,
            "in the element <A-B>: '-' cannot stand in a name",
        ),
        (
            "<T><a:B/></T>",
            1,
            4,
            "in the element <a:B>: ':' cannot stand in a name",
        ),
        ("<T><1A/></T>", 1, 4, "starts with a digit"),
        ("<T><V>x<A/></V></T>", 1, 8, "text beside elements in <V>"),
        ("<T><V><A/>x</V></T>", 1, 11, "text beside elements in <V>"),
        (
            "<T><V><A><B/></A></V></T>",
            1,
            10,
            "<B> is nested too deeply",
        ),
        (
            "<T><V><A/><a/></V></T>",
            1,
            15,
            "A comes twice in the vector <V>",
        ),
    ];
    for (template, line, column, reason) in cases {
        let error = parse(template).expect_err(template);
        assert!(
            error.reason.to_string().contains(reason),
            "{template:?}: {error}"
        );
        assert_eq!(
            (error.line, error.column),
            (*line, *column),
            "{template:?}: {error}"
        );
        assert!(
            !error.to_string().contains(|c: char| c.is_control()),
            "{error:?}"
        );
    }
}

#[test]
fn names_are_oneds() {
    let good = [
        ("abc", "ABC"),
        (" A ", "A"),
        ("1a", "ONE_1A"),
        ("_", "_"),
        ("ONE_1A", "ONE_1A"),
    ];
    for (written, stored) in good {
        assert_eq!(name(written).as_deref(), Ok(stored));
    }
    for bad in [
        "",
        " ",
        "A B",
        "A-B",
        "A.B",
        "../NAME",
        "*",
        "A[1]",
        "USER_TEMPLATE/A",
        "A\nB",
        "A\0",
        "Ａ",
        "ſ",
    ] {
        assert!(name(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn long_runs_are_read_in_linear_time() {
    // Each of these took minutes if any part of it were looked at again for each of its characters.
    const LONG: usize = 1_000_000;
    for (template, count) in [
        (format!("A={}x", "\\n".repeat(LONG)), 1),
        (format!("A={}x", "\\nA ".repeat(LONG)), 1),
        // More attributes than there may be.
        (format!("A={}", "\\nA=".repeat(LONG)), 1),
        (format!("A={}", "\"\\".repeat(LONG)), 1),
        (format!("A=\"{}", "\\\"".repeat(LONG)), 1),
        (format!("A=[{}", " ".repeat(LONG)), 1),
        (format!("A{}=", " ".repeat(LONG)), 1),
    ] {
        assert_eq!(
            parse(&template).map(|a| a.len()).unwrap_or(1),
            count,
            "{}",
            &template[..9]
        );
    }
    let deep = format!("<T>{}", "<A>".repeat(LONG));
    assert!(parse(&deep).is_err());
}

/// Names as oned stores them.
fn stored_name() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just('_'),
            prop::char::range('A', 'Z'),
            prop::char::range('0', '9')
        ],
        1..6,
    )
    .prop_map(|characters| name(&characters.iter().collect::<String>()).unwrap_or_default())
}

/// Values of the characters that oned stores, with many that have a meaning in the syntax.
fn value() -> impl Strategy<Value = String> {
    let special = prop::sample::select(
        "\\\"'[]{}=,#&;<>$`n \t\n\rA1é日"
            .chars()
            .collect::<Vec<_>>(),
    );
    let any = any::<char>().prop_filter("storable", |c| storable(*c));
    proptest::collection::vec(prop_oneof![4 => special, 1 => any], 0..12)
        .prop_map(|c| c.into_iter().collect())
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let vector = proptest::collection::btree_map(stored_name(), value(), 1..4);
    let value = prop_oneof![
        3 => value().prop_map(AttributeValue::Text),
        1 => vector.prop_map(|items| AttributeValue::Vector(items.into_iter().collect())),
    ];
    (stored_name(), value).prop_map(|(name, value)| Attribute { name, value })
}

/// What text can't say.
fn ends_in_backslash(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.value {
        AttributeValue::Text(value) => value.ends_with('\\'),
        AttributeValue::Vector(items) => items.iter().any(|(_, value)| value.ends_with('\\')),
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(attributes in proptest::collection::vec(attribute(), 0..4)) {
        prop_assert_eq!(&parse(&as_xml(&attributes)).unwrap(), &attributes);
        if !ends_in_backslash(&attributes) {
            prop_assert_eq!(&parse(&as_text(&attributes)).unwrap(), &attributes);
        }
    }

    #[test]
    fn nothing_makes_it_panic(template in "(?s).{0,60}") {
        let _ = parse(&template);
    }

    #[test]
    fn syntax_soup_gives_storable_attributes(
        parts in proptest::collection::vec(prop::sample::select(vec![
            "A", "b1", "=", "\"", "\\", "\\n", "\n", "\r", "[", "]", ",", " ", "#", "é", "<", ">", "</A>", "<A>", "&#",
            "&#44;", "&#x1F600;", ";", "/", "<![CDATA[", "]]>", "<!--", "-->", "<!DOCTYPE", "<?", "?>", "SERVICE_ID",
        ]), 0..24)
    ) {
        if let Ok(attributes) = parse(&parts.concat()) {
            for attribute in &attributes {
                prop_assert_eq!(name(&attribute.name), Ok(attribute.name.clone()));
            }
            prop_assert_eq!(&parse(&as_xml(&attributes)).unwrap(), &attributes);
        }
    }
}
