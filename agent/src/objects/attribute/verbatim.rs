//! `--data`, which is sent as given: what an OpenNebula server is known to do to it.
//! (docs/protocol.md, "Values as text"; agent/tests/fixtures/values.jsonl)

/// What would harm the VM's record for good. Such data is never sent.
pub fn poison(data: &str) -> Option<String> {
    if ends_in_backslash(data) {
        return Some(
            "--data holds a value that ends in a backslash: an OpenNebula server can't erase any attribute of a VM \
             with such a value. Nothing was sent; KEY=VALUE with --base64 would store it base64-encoded"
                .to_owned(),
        );
    }
    if !data.trim_start().starts_with('<') {
        return None;
    }
    let references = data
        .split("&#")
        .skip(1)
        .filter_map(|rest| rest.split_once(';').map(|(number, _)| number));
    let unfit = |number: &&str| {
        let value = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        // What is no number is no reference; what is too large for one is far beyond U+FFFF.
        let valid = |n| matches!(n, 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD);
        let digits = number
            .trim_start_matches(['x', 'X'])
            .chars()
            .all(|c| c.is_ascii_hexdigit());
        digits && !number.is_empty() && !value.is_ok_and(valid)
    };
    references.into_iter().find(unfit).map(|number| {
        format!(
            "--data holds the reference &#{number};, which makes a VM's record unreadable for good on an OpenNebula \
             server. Nothing was sent"
        )
    })
}

/// In XML the end of a value is where its element or its CDATA section ends, in text the end of the line.
fn ends_in_backslash(data: &str) -> bool {
    if !data.trim_start().starts_with('<') {
        return data.lines().any(|line| line.trim_end().ends_with('\\'));
    }
    ["</", "]]>"].iter().any(|end| {
        data.match_indices(end).any(|(at, _)| {
            let value = data[..at].trim_end();
            value.ends_with('\\')
                || last_reference(value).is_some_and(|number| {
                    match number.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16) == Ok(0x5c),
                        None => number.parse() == Ok(0x5c_u32),
                    }
                })
        })
    })
}

/// The number in the reference at the end of a text, if there is one. What is before it is not looked at: this is asked
/// at the end of each element.
fn last_reference(text: &str) -> Option<&str> {
    let text = text.strip_suffix(';')?;
    let before = text.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
    before.ends_with("&#").then(|| &text[before.len()..])
}

/// What of it would be damaged or refused, in words that follow 'an OpenNebula server'.
pub fn damage(data: &str) -> Option<String> {
    if data.trim_start().starts_with('<') {
        return None;
    }
    let lines = data.replace("\\n", "\n");
    lines
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .find_map(line)
}

fn line(line: &str) -> Option<String> {
    let Some((name, value)) = line.split_once('=') else {
        return Some(format!(
            "refuses or misplaces '{}': it is no KEY=VALUE",
            line.trim()
        ));
    };
    let name = name.trim();
    if let Some(odd) = name
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && *c != '_')
    {
        return Some(format!("refuses {odd:?} in an attribute's name ({name})"));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(format!("stores {name} as ONE_{name}"));
    }
    if value.is_empty() {
        return Some(format!(
            "stores a lone quotation mark for {name}= without a value"
        ));
    }
    let value = value.trim();
    if let Some(c) = value
        .chars()
        .find(|c| *c > '\u{ffff}' || (c.is_ascii_control() && *c != '\t'))
    {
        return Some(format!("refuses U+{:04X} in {name}", u32::from(c)));
    }
    if let Some(inside) = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return vector(name, inside);
    }
    let quoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let forbidden: &[char] = if quoted.is_some() {
        &[',', '=', '"', '[', ']', '\\']
    } else {
        &[',', '"', '[', ']', '\\']
    };
    let odd = quoted
        .unwrap_or(value)
        .chars()
        .find(|c| forbidden.contains(c))?;
    Some(format!("refuses or damages {odd:?} in {name}"))
}

/// `[B="1",C="2"]`: right with every value in quotes and no comma in any, and with one value alone.
fn vector(name: &str, inside: &str) -> Option<String> {
    if inside.trim().is_empty() {
        return Some(format!("drops {name}=[]"));
    }
    let quotes = inside.matches('"').count();
    let parts: Vec<&str> = inside.split(',').collect();
    let is_quoted = |part: &&str| {
        let value = part.split_once('=').map_or("", |(_, value)| value);
        value.len() > 1 && value.starts_with('"') && value.ends_with('"')
    };
    let right = if parts.len() == 1 {
        quotes == 0 || is_quoted(&parts[0])
    } else {
        parts.iter().all(is_quoted)
    };
    (!right).then(|| {
        format!(
            "refuses or damages {name}=[…] unless every value in it is in quotes and holds no comma"
        )
    })
}
