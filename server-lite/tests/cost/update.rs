//! `PUT /vm` in each form that it has, actions, and the cardinality of a role.

use crate::requests::{Ask, GET_VM, cloud};
use crate::support::cost::{Case, Work, case};
use crate::{ATTRIBUTES, TEXT, elements, lines};
use serde_json::json;

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b";
const JSON: &str = "application/json";

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("PUT text: lines, names in order",      ATTRIBUTES, |n| put(200, "", lines(0..n))),
    case("PUT text: lines, names backwards",     ATTRIBUTES, |n| put(200, "", lines((0..n).rev()))),
    case("PUT text: one name",                   ATTRIBUTES, |n| put(200, "", "A=1\n".repeat(n))),
    case("PUT text: literal line ends",          ATTRIBUTES, |n| put(200, "", lines(0..n).replace('\n', "\\n"))),
    case("PUT text: CRLF",                       ATTRIBUTES, |n| put(200, "", lines(0..n).replace('\n', "\r\n"))),
    case("PUT text: quoted, on one line",        ATTRIBUTES, |n| put(200, "", lines(0..n).replace("=1\n", "=\"1\" "))),
    case("PUT text: one vector",                 ATTRIBUTES, |n| put(200, "", format!("V=[{}]", lines(0..n).trim().replace('\n', ",")))),
    case("PUT text: one vector, on many lines",  ATTRIBUTES, |n| put(200, "", format!("V=[{}]", lines(0..n).trim().replace('\n', ",\n  ")))),
    case("PUT text: one vector, quoted",         ATTRIBUTES, |n| put(200, "", format!("V=[{}]", lines(0..n).trim().replace("1\n", "\"a\\\"b\",")))),
    case("PUT text: a name twice in a vector",   ATTRIBUTES, |n| put(400, "", format!("V=[{},N0=2]", lines(0..n).trim().replace('\n', ",")))),
    case("PUT text: a vector without an end",    ATTRIBUTES, |n| put(400, "", format!("V=[{}", lines(0..n).trim().replace('\n', ",")))),
    case("PUT text: many vectors",               ATTRIBUTES / 2, |n| put(200, "", (0..n).map(|n| format!("V{n}=[A=1]\n")).collect())),
    case("PUT text: many vectors of one name",   ATTRIBUTES / 2, |n| put(200, "", "V=[A=1]\n".repeat(n))),
    case("PUT text: a long name",                TEXT, |n| put(200, "", format!("{}=1", "A".repeat(n)))),
    case("PUT text: comments",                   TEXT, |n| put(200, "", "# x\n".repeat(n / 4))),
    case("PUT text: a quoted value",             TEXT, |n| put(200, "", format!("A=\"{}\"", "\\\"".repeat(n / 4)))),
    case("PUT text: quotes that do not close",   TEXT, |n| put(200, "", format!("A=\"{}", "x".repeat(n)))),
    case("PUT text: many that do not close",     ATTRIBUTES, |n| put(200, "", "A=x\"\n".repeat(n))),
    case("PUT text: only escaped quotes follow", TEXT, |n| put(400, "", format!("A=\"{}x", "\\\"\n".repeat(n / 3)))),
    case("PUT text: brackets",                   TEXT, |n| put(200, "", format!("A={}", "[[,".repeat(n / 3)))),
    case("PUT text: brackets on many lines",     ATTRIBUTES, |n| put(200, "", "A=[x\n".repeat(n))),
    case("PUT text: backslashes",                TEXT, |n| put(200, "", format!("A={}x", "\\n \\".repeat(n / 4)))),
    case("PUT text: literal ends before words",  TEXT, |n| put(200, "", format!("A={}x", "\\nword ".repeat(n / 7)))),
    case("PUT text: only backslashes",           TEXT, |n| put(200, "", format!("A={}x", "\\".repeat(n)))),
    case("PUT text: blanks",                     TEXT, |n| put(200, "", format!("A={}x", " \\n".repeat(n / 3)))),
    case("PUT text: blanks alone",               TEXT, |n| put(200, "", format!("A={0}x{0}", " ".repeat(n / 2)))),
    case("PUT text: beyond ASCII",               TEXT, |n| put(200, "", format!("A={}", "é☃".repeat(n / 5)))),
    case("PUT text: an error at the end",        TEXT, |n| put(400, "", format!("A={}\n-", "x".repeat(n)))),
    case("PUT text: an error after many lines",  ATTRIBUTES, |n| put(400, "", lines(0..n) + "-")),
    case("PUT text: not UTF-8 at the end",       TEXT, |n| put(400, "application/octet-stream", format!("A={}\u{1}", "x".repeat(n)))),

    case("PUT XML: attributes",                  ATTRIBUTES, |n| put(200, "", xml(&elements(0..n)))),
    case("PUT XML: attributes, backwards",       ATTRIBUTES, |n| put(200, "", xml(&elements((0..n).rev())))),
    case("PUT XML: one name",                    ATTRIBUTES, |n| put(200, "", xml(&"<A>1</A>".repeat(n)))),
    case("PUT XML: empty elements",              ATTRIBUTES, |n| put(200, "", xml(&(0..n).map(|n| format!("<N{n}/>")).collect::<String>()))),
    case("PUT XML: one vector",                  ATTRIBUTES, |n| put(200, "", xml(&format!("<V>{}</V>", elements(0..n))))),
    case("PUT XML: many vectors",                ATTRIBUTES / 2, |n| put(200, "", xml(&(0..n).map(|n| format!("<V{n}><A>1</A></V{n}>")).collect::<String>()))),
    case("PUT XML: a vector with blanks",        ATTRIBUTES, |n| put(200, "", xml(&format!("<V>{}</V>", elements(0..n).replace("<N", &format!("{}<N", " ".repeat(20))))))),
    case("PUT XML: CDATA",                       ATTRIBUTES, |n| put(200, "", xml(&"<A><![CDATA[1]]></A>".repeat(n)))),
    case("PUT XML: references",                  TEXT, |n| put(200, "", xml(&format!("<A>{}</A>", "&#65;".repeat(n / 5))))),
    case("PUT XML: named references",            TEXT, |n| put(200, "", xml(&format!("<A>{}</A>", "&amp;".repeat(n / 5))))),
    case("PUT XML: comments and CDATA",          TEXT, |n| put(200, "", xml(&format!("<A>{}</A>", "<!--x--><![CDATA[x]]>".repeat(n / 21))))),
    case("PUT XML: a comment",                   TEXT, |n| put(200, "", xml(&format!("<A><!--{}--></A>", "- ".repeat(n / 2))))),
    case("PUT XML: CDATA that almost ends",      TEXT, |n| put(200, "", xml(&format!("<A><![CDATA[{}]]></A>", "]] ".repeat(n / 3))))),
    case("PUT XML: blanks between elements",     TEXT, |n| put(200, "", xml(&format!("{0}<A>1</A>{0}", " \r\n".repeat(n / 6))))),
    case("PUT XML: a long text",                 TEXT, |n| put(200, "", xml(&format!("<A>{}</A>", "x\r".repeat(n / 2))))),
    case("PUT XML: a long name",                 TEXT / 2, |n| put(200, "", xml(&format!("<{0}>1</{0}>", "A".repeat(n))))),
    case("PUT XML: an element's own attributes", TEXT, |n| put(400, "", xml(&format!("<A {}>1</A>", (0..n / 8).map(|n| format!("a{n}='1' ")).collect::<String>())))),
    case("PUT XML: nested too deeply",           TEXT, |n| put(400, "", format!("<T>{}", "<A>".repeat(n / 3)))),
    case("PUT XML: a document type",             TEXT, |n| put(400, "", format!("<!DOCTYPE T [{}]><T/>", "<!ENTITY a 'a'>".repeat(n / 15)))),
    case("PUT XML: an element without an end",   TEXT, |n| put(400, "", format!("<T><A>{}", "x".repeat(n)))),

    case("PUT form: lines",                      ATTRIBUTES, |n| put(200, FORM, format!("data={}", escaped(&lines(0..n))))),
    case("PUT form: XML",                        ATTRIBUTES, |n| put(200, FORM, format!("data={}", escaped(&xml(&elements(0..n)))))),
    case("PUT form: all escaped",                TEXT, |n| put(200, FORM, format!("data=A%3D{}", "%41".repeat(n / 3)))),
    case("PUT form: plus signs",                 TEXT, |n| put(200, FORM, format!("data=A%3D{}x", "+".repeat(n)))),
    case("PUT form: parameters",                 TEXT, |n| put(200, FORM, format!("data=A%3D1{}", "&a=b".repeat(n / 4)))),
    case("PUT form: data again and again",       TEXT, |n| put(400, FORM, "data=A&".repeat(n / 7))),
    case("PUT form: data as a list",             TEXT, |n| put(400, FORM, "data[]=A&".repeat(n / 9))),
    case("PUT form: brackets in a name",         TEXT, |n| put(400, FORM, format!("data{}=A", "[".repeat(n)))),
    case("PUT form: a bad escape at the end",    TEXT, |n| put(400, FORM, format!("data={}%4", "%41".repeat(n / 3)))),
    case("PUT form: no data",                    TEXT, |n| put(200, FORM, format!("A=1{}", "&b=1".repeat(n / 4)))),
    case("PUT form: no equals sign",             TEXT, |n| put(200, FORM, format!("A=1&{}", "&".repeat(n)))),
    case("PUT multipart: lines",                 ATTRIBUTES, |n| put(200, MULTIPART, part("name=data", &lines(0..n)) + "--b--\r\n")),
    case("PUT multipart: XML",                   ATTRIBUTES, |n| put(200, MULTIPART, part("name=data", &xml(&elements(0..n))) + "--b--\r\n")),
    case("PUT multipart: parts",                 TEXT, |n| put(200, MULTIPART, format!("{}{}--b--\r\n", part("name=x", "").repeat(n / 60), part("name=data", "A=1")))),
    case("PUT multipart: data again and again",  TEXT, |n| put(400, MULTIPART, part("name=data", "A=1").repeat(n / 60) + "--b--\r\n")),
    case("PUT multipart: a preamble",            TEXT, |n| put(200, MULTIPART, format!("{}\r\n{}--b--\r\n", "\r\n--".repeat(n / 4), part("name=data", "A=1")))),
    case("PUT multipart: a long head",           TEXT, |n| put(200, MULTIPART, part(&format!("name=data{}", "; a=\"b\"".repeat(n / 7)), "A=1") + "--b--\r\n")),
    case("PUT multipart: a head of many fields", TEXT, |n| put(200, MULTIPART, part(&format!("name=data{}", "\r\nA: b".repeat(n / 6)), "A=1") + "--b--\r\n")),
    case("PUT multipart: almost a boundary",     TEXT, |n| put(200, LONG_BOUNDARY, almost_boundaries(n))),
    case("PUT multipart: no last boundary",      TEXT, |n| put(400, MULTIPART, part("name=data", &"\r\n--a".repeat(n / 5)))),
    case("PUT JSON: lines",                      ATTRIBUTES, |n| put(200, JSON, json!({"data": lines(0..n)}).to_string())),
    case("PUT JSON: XML",                        ATTRIBUTES, |n| put(200, JSON, json!({"data": xml(&elements(0..n))}).to_string())),
    case("PUT JSON: escapes",                    TEXT, |n| put(200, JSON, format!("{{\"data\":\"A={}\"}}", "\\u0041".repeat(n / 6)))),
    case("PUT JSON: keys",                       60_000, |n| put(400, JSON, object(n))),
    case("PUT JSON: keys beside data",           60_000, |n| put(200, JSON, object(n).replacen("\"k0\":1", "\"data\":\"A=1\"", 1))),
    case("PUT JSON: a key twice",                60_000, |n| put(400, JSON, object(n).replace("{", "{\"a\":1,").replace("}", ",\"a\":1}"))),
    case("PUT JSON: values",                     60_000, |n| put(200, JSON, format!("{{\"data\":\"A=1\",\"x\":[{}1]}}", "[1],".repeat(n / 2)))),
    case("PUT JSON: a long number",              TEXT, |n| put(400, JSON, format!("{{\"data\":{}}}", "1".repeat(n)))),
    case("PUT JSON: a long fraction",            TEXT, |n| put(400, JSON, format!("{{\"data\":0.{}}}", "1".repeat(n)))),
    case("PUT JSON: blanks",                     TEXT, |n| put(200, JSON, format!("{}{{\"data\":\"A=1\"}}", " ".repeat(n)))),
    case("PUT JSON: nested too deeply",          60_000, |n| put(400, JSON, format!("{{\"data\":{}", "[".repeat(n)))),
    case("PUT query: parameters",                8_000, |n| Ask { line: &format!("PUT /vm?data=A%3D1{}", "&a=b".repeat(n / 4)), ..GET_VM }.of(cloud(|_| ()))),

    case("PUT: one into many",                   ATTRIBUTES, |n| into_many(n, 200, "ZZ=1")),
    case("PUT: many in the place of as many",    ATTRIBUTES, |n| into_many(n, 200, &lines(0..n))),
    case("PUT: many between as many",            ATTRIBUTES / 2, |n| into_many(n, 200, &lines(0..n).replace("=1", "A=1"))),
    case("PUT: too many beside as many",         ATTRIBUTES, |n| into_many(n, if n > 4096 { 413 } else { 200 }, &lines(n..2 * n))),
    case("PUT: erase one of many",               ATTRIBUTES, |n| into_many(n, 200, "type=2&data=N1")),
    case("PUT: erase what is not there",         ATTRIBUTES, |n| into_many(n, 500, "type=2&data=ABSENT")),
    case("PUT: erase a long list",               ATTRIBUTES, |n| Ask { line: "PUT /vm", content_type: FORM, body: "type=2&data=L", ..GET_VM }.of(cloud(|scenario| scenario["vms"][1]["USER_TEMPLATE"]["L"] = json!(vec!["1"; n])))),
    case("PUT: erase with a long name",          TEXT, |n| put(400, FORM, format!("type=2&data={}-", "A".repeat(n)))),
    case("PUT /vms/ID: lines",                   ATTRIBUTES, |n| Ask { line: "PUT /vms/9", body: &lines(0..n), ..GET_VM }.of(cloud(|_| ()))),

    case("POST action: parameters",              60_000, |n| act(500, json!({"action": {"perform": "hold", "params": vec![0; n]}}).to_string())),
    case("POST action: named parameters",        60_000, |n| act(204, format!("{{\"action\":{{\"perform\":\"terminate\",\"params\":{}}}}}", object(n)))),
    case("POST action: a long name",             TEXT, |n| act(500, json!({"action": {"perform": "x".repeat(n)}}).to_string())),
    case("POST action: keys",                    60_000, |n| act(400, object(n))),
    case("PUT role: a list",                     60_000, |n| scale(400, json!({"cardinality": vec![0; n]}).to_string())),
    case("PUT role: keys",                       60_000, |n| scale(400, object(n))),
    case("PUT role: a long number",              TEXT, |n| scale(400, format!("{{\"cardinality\":{}}}", "1".repeat(n)))),
    // Each new VM looks through the leases of the network: at the 1,000 VMs of a role that is a third of the work.
    case("PUT role: up to so many VMs",          500, scale_to),
];

/// With 70 characters, as long as one may be.
const LONG_BOUNDARY: &str = "multipart/form-data; boundary=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn put(status: u16, content_type: &str, body: String) -> Work {
    let ask = Ask {
        line: "PUT /vm",
        content_type,
        body: &body,
        status,
        ..GET_VM
    };
    ask.of(cloud(|_| ()))
}

fn xml(inside: &str) -> String {
    format!("<T>{inside}</T>")
}

fn escaped(text: &str) -> String {
    let text = text.replace('%', "%25").replace('&', "%26");
    text.replace('=', "%3D").replace('\n', "%0A")
}

fn part(disposition: &str, content: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
}

fn almost_boundaries(length: usize) -> String {
    let boundary = LONG_BOUNDARY.rsplit('=').next().unwrap();
    let almost = format!("\r\n--{}", &boundary[1..]);
    let content = format!("A=\"{}\"", almost.repeat(length / almost.len()));
    part("name=data", &content).replacen("--b", &format!("--{boundary}"), 1)
        + &format!("--{boundary}--\r\n")
}

fn object(keys: usize) -> String {
    let members: Vec<String> = (0..keys).map(|n| format!("\"k{n}\":1")).collect();
    format!("{{{}}}", members.join(","))
}

/// An update of a VM that has so many attributes.
fn into_many(count: usize, status: u16, body: &str) -> Work {
    let content_type = if body.starts_with("type=") { FORM } else { "" };
    let ask = Ask {
        line: "PUT /vm",
        content_type,
        body,
        status,
        ..GET_VM
    };
    ask.of(cloud(|scenario| {
        for n in 0..count {
            scenario["vms"][1]["USER_TEMPLATE"][format!("N{n}")] = json!("1");
        }
    }))
}

fn act(status: u16, body: String) -> Work {
    Ask {
        line: "POST /vms/8/action",
        body: &body,
        status,
        ..GET_VM
    }
    .of(cloud(|_| ()))
}

fn scale(status: u16, body: String) -> Work {
    Ask {
        line: "PUT /service/role/slave",
        body: &body,
        status,
        ..GET_VM
    }
    .of(cloud(|_| ()))
}

fn scale_to(count: usize) -> Work {
    let body = json!({"cardinality": count}).to_string();
    let ask = Ask {
        line: "PUT /service/role/slave",
        body: &body,
        ..GET_VM
    };
    ask.of(cloud(|scenario| {
        let role = &mut scenario["services"][0]["TEMPLATE"]["BODY"]["roles"][1];
        role["max_vms"] = json!(count);
        scenario["vnets"][0]["AR_POOL"]["AR"]["SIZE"] = json!("5000");
    }))
}
