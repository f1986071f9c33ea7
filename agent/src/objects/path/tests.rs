use super::{Budget, JsonPath};
use crate::fault::Fault;
use crate::objects::document::Document;

const SERVICE: &str = r#"{"SERVICE":{"name":"s","id":"1","state":2,"roles":[
    {"name":"master","nodes":[{"deploy_id":8,"vm_info":{"VM":{"ID":"8","NAME":"m"}}}],"up":true},
    {"name":"slave","nodes":[{"deploy_id":9},{"deploy_id":10}],"odd'\"ü":1.50,"up":null}]}}"#;

fn get(path: &str) -> Result<Vec<String>, Fault> {
    let document = Document::new(SERVICE.as_bytes().to_vec()).unwrap();
    let found =
        JsonPath::parse(path)?.select(document.root(), "SERVICE", &mut Budget::default())?;
    Ok(found.into_iter().map(|node| node.text()).collect())
}

#[test]
fn paths_that_lead_somewhere() {
    for (path, expected) in [
        (
            r#"$.SERVICE.roles[?@.name=="slave"].nodes[*].deploy_id"#,
            &["9", "10"][..],
        ),
        (
            "$.SERVICE.roles[?@.name=='slave'].nodes[*].deploy_id",
            &["9", "10"],
        ),
        ("$.SERVICE.roles[?(@.name != 'slave')]['name']", &["master"]),
        ("$['SERVICE'][\"name\"]", &["s"]),
        ("name", &["s"]),
        ("SERVICE.name", &["s"]),
        (".name", &["s"]),
        ("['name']", &["s"]),
        ("roles[-1].name", &["slave"]),
        ("roles[ 1 , 0 ].name", &["slave", "master"]),
        ("roles.*.name", &["master", "slave"]),
        ("roles[0].nodes[0].vm_info.VM.*", &["8", "m"]),
        ("roles[0].nodes[?@.deploy_id==8.0].vm_info.VM.NAME", &["m"]),
        ("roles[*].nodes[?@.deploy_id!=8].deploy_id", &["9", "10"]),
        ("roles[?@.up==true].name", &["master"]),
        ("roles[?@.up==null].name", &["slave"]),
        ("roles[?@.odd].name", &[]),
        ("roles[?@.up].name", &["master", "slave"]),
        ("roles[?@.nodes[0].deploy_id==9].name", &["slave"]),
        (r#"roles[?@['odd\'"\u00fc']==150e-2].name"#, &["slave"]),
        ("roles[7].name", &[]),
        ("name[0]", &["s"]),
        ("name[-1]", &["s"]),
        ("name[1]", &[]),
        ("$..deploy_id", &["8", "9", "10"]),
        ("..deploy_id", &["8", "9", "10"]),
        ("$.SERVICE.roles[1]..deploy_id", &["9", "10"]),
        ("$..nodes[0].deploy_id", &["8", "9"]),
        ("$..[?@.deploy_id==9].deploy_id", &["9"]),
        ("$..vm_info.VM..*[0]", &["8", "m"]),
        ("$..[7]", &[]),
        ("$..['ID','NAME']", &["8", "m"]),
        ("roles[?@.nodes[0].deploy_id[0]==9].name[0]", &["slave"]),
        ("nothing", &[]),
        ("roles[?@.name==1].name", &[]),
        ("state", &["2"]),
    ] {
        assert_eq!(
            get(path).as_deref(),
            Ok(&expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..]),
            "{path}"
        );
    }
    assert_eq!(get("$").unwrap().len(), 1);
}

#[test]
fn paths_that_are_none() {
    for (path, named) in [
        ("", "a name expected, the end found at column 1"),
        ("a...b", "a name expected, '.' found at column 4"),
        ("$..", "a name expected, the end found at column 4"),
        (
            "a[",
            "an index, '*' or '?' expected, the end found at column 3",
        ),
        ("a[?@..b==1]", "a name or an index alone"),
        (&"[0]".repeat(129), "a path has at most 128 steps"),
        ("$a", "'.' or '[' expected, 'a' found at column 2"),
        ("a[1", "']' or ',' expected"),
        ("a[01]", "an index"),
        ("a[-0]", "an index"),
        ("a[1:2]", "']' or ',' expected, ':' found"),
        ("a['b]", "the string's other quote"),
        (r"a['\x']", "JSON's escapes"),
        ("a[?b==1]", "'@' expected"),
        ("a[?@.b==c]", "a string in quotes, a number"),
        ("a[?@[*]==1]", "a name or an index alone"),
        ("a[?(@.b==1]", "')' expected"),
        ("a-b", "'.' or '[' expected, '-' found"),
        ("a b", "' ' found at column 2"),
    ] {
        let what = get(path).expect_err(path).to_string();
        assert!(what.contains(named), "{path}: {what}");
    }
}

#[test]
fn one_expression_for_one_and_for_several() {
    let one = r#"{"IP":"1","NETWORK":"a"}"#;
    let two = r#"[{"IP":"1","NETWORK":"a"},{"IP":"2","NETWORK":"b"}]"#;
    for (path, of_one, of_two) in [
        ("NIC[0].IP", &["1"][..], &["1"][..]),
        ("NIC[-1].IP", &["1"], &["2"]),
        ("NIC[1].IP", &[], &["2"]),
        ("NIC[*].IP", &["1"], &["1", "2"]),
        ("NIC.*.IP", &["1"], &["1", "2"]),
        ("NIC[?@.NETWORK=='a'].IP", &["1"], &["1"]),
        ("NIC[?@.NETWORK!='b'].IP", &["1"], &["1"]),
        ("NIC[?@.NETWORK=='b'].IP", &[], &["2"]),
        ("NIC[0,0].IP", &["1", "1"], &["1", "1"]),
        ("$..NIC[0].IP", &["1"], &["1"]),
        ("$..NIC[*].IP", &["1"], &["1", "2"]),
        ("$..IP", &["1"], &["1", "2"]),
        // Where RFC 9535 has a meaning of its own, it counts.
        ("NIC[*]", &["1", "a"], &[&two[1..25], &two[26..50]]),
        ("NONE[0]", &[], &[]),
        ("NONE[*]", &[], &[]),
    ] {
        for (nics, expected) in [(one, of_one), (two, of_two)] {
            let text = format!(r#"{{"VM":{{"NIC":{nics},"NONE":null}}}}"#);
            let document = Document::new(text.into_bytes()).unwrap();
            let path = JsonPath::parse(path).unwrap();
            let found = path
                .select(document.root(), "VM", &mut Budget::default())
                .unwrap();
            let found: Vec<String> = found.into_iter().map(|node| node.text()).collect();
            assert_eq!(found, expected, "{path:?} of {nics}");
        }
    }
}

#[test]
fn work_is_limited() {
    let list = format!(r#"{{"VM":[{}0]}}"#, "0,".repeat(1000));
    let document = Document::new(list.into_bytes()).unwrap();
    let long = format!(r#"{{"VM":[[[["{}"]]]]}}"#, "x".repeat(20 << 20));
    let long = Document::new(long.into_bytes()).unwrap();
    for (document, path, is_too_much) in [
        (&document, "$.VM[*]".to_owned(), false),
        (&document, format!("$.VM[*]{}", "[0,0]".repeat(10)), true),
        (&document, format!("$.VM{}", "[0,0]".repeat(100)), true),
        (&document, format!("$.VM{}", "[7,*]".repeat(100)), false),
        (&document, format!("$.VM{}", "[0]".repeat(100)), false),
        (&document, format!("${}", "..*".repeat(60)), false),
        (&long, "$..*".to_owned(), true),
    ] {
        let found =
            JsonPath::parse(&path)
                .unwrap()
                .select(document.root(), "VM", &mut Budget::default());
        let refused = found
            .err()
            .map_or_else(String::new, |fault| fault.to_string());
        assert_eq!(!refused.is_empty(), is_too_much, "{path}: {refused}");
        assert!(!is_too_much || refused.contains("narrower"), "{refused}");
    }
}
