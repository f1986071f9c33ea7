//! The look-up of endpoint, id and token, in file trees made for the purpose.

use crate::support::guest::{ENDPOINT, Guest, ONE_ENV, TOKEN, context_sh, iso, one_env};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use onegate::commands;
use onegate::context::{self, Lookup, urls};
use rustix::fs::inotify;

#[test]
fn each_source_is_understood_and_the_first_that_has_a_field_wins() {
    let local = context_sh("http://copy", "4") + "ONEGATE_TOKEN='dG9rZW40'\n";
    let mut guest = Guest::new()
        .file(ONE_ENV, one_env("http://one-env", "3", "dG9rZW4z"))
        .file("var/run/one-context/context.sh.local", local)
        .file("context/context.sh", context_sh("http://lxc", "5"))
        .file("context/token.txt", "dG9rZW41\n")
        .file("my-token", "dG9rZW4x\n")
        .variable("VMID", "2")
        .variable("ONEGATE_TOKEN", "dG9rZW4y");
    guest.endpoint = Some("https://option".to_owned());
    let variable = "environment variable";
    assert_eq!(
        guest.found(),
        [
            "https://option @ option --endpoint".to_owned(),
            format!("2 @ {variable} VMID"),
            format!("dG9rZW4y @ {variable} ONEGATE_TOKEN")
        ]
    );
    guest.vmid = Some("1".to_owned());
    guest.token_file = Some(guest.path("my-token"));
    assert_eq!(
        guest.found()[1..],
        [
            "1 @ option --vmid",
            "dG9rZW4x @ option --token-file /my-token"
        ]
    );

    (guest.endpoint, guest.vmid, guest.token_file) = (None, None, None);
    guest.environment.clear();
    let at = |place| move |value| format!("{value} @ {place}");
    assert_eq!(
        guest.found(),
        ["http://one-env", "3", "dG9rZW4z"].map(at("/var/run/one-context/one_env"))
    );
    fs::remove_file(guest.path(ONE_ENV)).unwrap();
    assert_eq!(
        guest.found(),
        ["http://copy", "4", "dG9rZW40"].map(at("/var/run/one-context/context.sh.local"))
    );
    fs::remove_dir_all(guest.path("var")).unwrap();
    assert_eq!(
        guest.found()[..2],
        ["http://lxc", "5"].map(at("/context/context.sh"))
    );
    assert_eq!(guest.found()[2], "dG9rZW41 @ /context/token.txt");
}

#[test]
fn the_environment_wins_over_one_env_and_empty_is_not_set() {
    let guest = Guest::new()
        .file(ONE_ENV, one_env(ENDPOINT, "8", TOKEN))
        .variable("ONEGATE_ENDPOINT", "http://mine")
        .variable("VMID", "")
        .variable("TOKENTXT", "bWluZQ==")
        .variable("ONEGATE_TOKEN", "b3RoZXI=");
    assert_eq!(
        guest.found(),
        [
            "http://mine @ environment variable ONEGATE_ENDPOINT",
            "8 @ /var/run/one-context/one_env",
            "bWluZQ== @ environment variable TOKENTXT"
        ]
    );
}

/// On most distributions `/var/run` is an absolute link to `/run`: under a root it means that root's `/run`.
#[test]
fn links_are_followed_inside_the_root_only() {
    let guest = Guest::new().file("run/one-context/one_env", one_env(ENDPOINT, "8", TOKEN));
    fs::create_dir(guest.path("var")).unwrap();
    symlink("/run", guest.path("var/run")).unwrap();
    assert_eq!(guest.found()[1], "8 @ /var/run/one-context/one_env");

    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("token.txt"), TOKEN).unwrap();
    let up = "../".repeat(20) + outside.path().strip_prefix("/").unwrap().to_str().unwrap();
    for target in [
        outside.path().join("token.txt"),
        Path::new(&up).join("token.txt"),
    ] {
        let guest = Guest::new().file("context/context.sh", context_sh(ENDPOINT, "8"));
        symlink(target, guest.path("context/token.txt")).unwrap();
        let said = guest.message();
        let why =
            "/context/token.txt: it is a symbolic link that leads nowhere, not a regular file";
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn the_newest_copy_of_context_sh_wins() {
    for newest in ["network", "online", "local"] {
        let mut guest = Guest::new();
        for (index, stage) in ["local", "online", "network"].iter().enumerate() {
            let age = if *stage == newest {
                0
            } else {
                100 + index as u64
            };
            let text = context_sh(ENDPOINT, &age.to_string());
            guest = guest.old_file(
                &format!("var/run/one-context/context.sh.{stage}"),
                &text,
                age,
            );
        }
        assert_eq!(
            guest.found()[1],
            format!("0 @ /var/run/one-context/context.sh.{newest}")
        );
    }
}

#[test]
fn onegate_token_beats_token_txt() {
    let guest = Guest::new()
        .file(
            "context/context.sh",
            context_sh(ENDPOINT, "8") + "ONEGATE_TOKEN='Zmlyc3Q='\n",
        )
        .file("context/token.txt", "c2Vjb25k\n");
    assert_eq!(guest.found()[2], "Zmlyc3Q= @ /context/context.sh");
}

#[test]
fn nothing_in_a_context_is_ever_run() {
    let marker = tempfile::tempdir().unwrap();
    let ran = marker.path().join("ran");
    let touch = format!("touch {}", ran.display());
    let endpoint = format!("http://h/`{touch}`$({touch})").replace(' ', "${IFS}");
    let guest = Guest::new()
        .file(
            "context/context.sh",
            format!(
                "A='`{touch}`'\nB='$({touch})'\nC=\"`{touch}`$({touch})\"\nONEGATE_ENDPOINT='{endpoint}'\n\
                 VMID='8'\nD='\n{touch}\n'\n"
            ),
        )
        .file(
            ONE_ENV,
            format!("export TOKENTXT=\"{TOKEN}\"\nexport A=\"`{touch}` $({touch})\"\nexport B=\"\n{touch}\n\"\n"),
        );
    let found = guest.find().unwrap();
    assert_eq!(urls(&found.endpoint.value), endpoint);
    let script = commands::context::env(&found) + "test \"$ONEGATE_ENDPOINT\" = \"$1\"";
    let status = Command::new("sh")
        .args(["-ec", &script, "sh", &endpoint])
        .status()
        .unwrap();
    assert!(
        status.success(),
        "eval of `context env` gives another endpoint"
    );
    assert!(!ran.exists());
}

#[test]
fn the_message_says_which_field_and_every_place_with_what_was_wrong() {
    let guest = Guest::new()
        .file(ONE_ENV, format!("export TOKENTXT=\"{TOKEN}\nexport VMID=\"8\n"))
        .file("var/run/one-context/context.sh.network", "# context\nA='1'\nB='not closed\n\n")
        .file("context/context.sh", format!("VMID='eight'\nONEGATE_TOKEN='two words'\nX='{TOKEN}'\n"))
        .file(
            "proc/self/mountinfo",
            "30 22 11:0 / /mnt ro - iso9660 /dev/sr0 ro\n31 22 11:0 / /other ro - iso9660 /dev/sr1 ro\n",
        )
        .file("mnt/context.sh", context_sh(ENDPOINT, "9"))
        .file("dev/sr0", iso("cidata"))
        .file("sys/block/sr0/dev", "11:0\n")
        .file("sys/block/sr1/dev", "11:1\n")
        .file("sys/block/vda/size", "2048\n")
        .file("dev/vda", [0; 40_000])
        .file("sys/block/loop0/size", "2048\n")
        .file("dev/loop0", iso("CONTEXT"));
    assert_eq!(
        guest.message(),
        r#"This VM's credentials are incomplete: no usable endpoint, no usable VM id, no usable token.
Looked in:
  options --endpoint, --vmid, --token-file: not given
  environment: ONEGATE_ENDPOINT, VMID, TOKENTXT, ONEGATE_TOKEN not set
  /var/run/one-context/one_env: malformed at line 1: the value's quote is not closed
  /var/run/one-context/one_env: no ONEGATE_ENDPOINT, no VMID, no token
  /var/run/one-context/context.sh.online: absent
  /var/run/one-context/context.sh.local: absent
  /var/run/one-context/context.sh.network: malformed at line 3: the quote ' is not closed
  /var/run/one-context/context.sh.network: no ONEGATE_ENDPOINT, no VMID, no token
  /context/context.sh: VMID: not a VM's id: that is a number
  /context/context.sh: ONEGATE_TOKEN: not a token: that is one line of visible ASCII characters
  /context/token.txt: absent
  /context/context.sh: no ONEGATE_ENDPOINT
  /mnt: mounted from a volume with the label "cidata"
  /other: can't read the label of /dev/sr1: absent
  /dev/sr0: has the label "cidata", not CONTEXT
  /dev/sr1: no such device node: mount devtmpfs on /dev, or mknod it b 11 1
  /dev/vda: no ISO9660 volume with a label
  vmtoolsd: not asked under --root"#
    );
}

#[test]
fn a_mounted_context_is_read_only_when_its_volume_is_labelled_context() {
    let guest = Guest::new()
        .file(
            "proc/self/mountinfo",
            "30 22 11:0 / /my\\040disc ro shared:1 - iso9660 /dev/sr0 ro\n",
        )
        .file("my disc/context.sh", context_sh(ENDPOINT, "9"))
        .file("my disc/token.txt", format!("{TOKEN}\n"))
        .file("dev/sr0", iso("CONTEXT"));
    assert_eq!(guest.found()[1], "9 @ /my disc/context.sh");
    assert_eq!(guest.found()[2], format!("{TOKEN} @ /my disc/token.txt"));
    let mountinfo = guest.path("proc/self/mountinfo");
    let mounts = fs::read_to_string(&mountinfo).unwrap();
    fs::write(&mountinfo, mounts.replace("11:0", "7:0")).unwrap();
    assert!(guest.message().contains("/my disc: mounted from a file"));
    fs::write(&mountinfo, mounts).unwrap();
    for other in [
        iso("context"),
        iso("CONTEXT2"),
        iso("XCONTEXT"),
        iso(""),
        vec![],
        vec![0; 32_800],
    ] {
        fs::write(guest.path("dev/sr0"), other).unwrap();
        assert_eq!(guest.found()[1], "-");
    }
}

/// The device is found by its label; that a plain file is no device is the kernel's to say.
#[test]
fn a_labelled_device_is_the_one_to_mount() {
    let guest = Guest::new()
        .file("sys/block/vdb/size", "80\n")
        .file("dev/vdb", iso("CONTEXT"))
        .file("sys/block/vda/size", "80\n")
        .file("dev/vda", iso("OTHER"));
    let message = guest.message();
    let vdb = message
        .lines()
        .find(|line| line.starts_with("  /dev/vdb: "))
        .expect("tried to mount it");
    let reasons = [
        "not a block device",
        "no iso9660 file system",
        "not permitted to mount",
    ];
    assert!(reasons.iter().any(|reason| vdb.contains(reason)), "{vdb}");
}

/// Another disc with that label is another VM's, or this one's from before: it isn't for the agent to choose.
#[test]
fn of_several_volumes_with_the_label_none_is_taken() {
    const SEVERAL: &str = ": each has the label CONTEXT, so which is this VM's? Detach the others";
    for (mounts, devices, named) in [
        ("", &["sr0", "sr1"][..], Some("/dev/sr0, /dev/sr1")),
        ("", &["vda", "vdb"], Some("/dev/vda, /dev/vdb")),
        // A disk may have any label, so a CD-ROM drive counts for more.
        ("", &["sda", "sr0"], None),
        (
            "30 22 11:0 / /mnt ro - iso9660 /dev/sr0 ro\n31 22 11:1 / /b ro - iso9660 /dev/sr1 ro\n",
            &["sr0", "sr1"],
            Some("/mnt, /b"),
        ),
        (
            "30 22 11:0 / /mnt ro - iso9660 /dev/sr0 ro\n31 22 11:0 / /b ro - iso9660 /dev/sr0 ro\n",
            &["sr0"],
            None,
        ),
    ] {
        let mut guest = Guest::new()
            .file("proc/self/mountinfo", mounts)
            .file("mnt/token.txt", TOKEN);
        for device in devices {
            guest = guest
                .file(&format!("sys/block/{device}/size"), "80\n")
                .file(&format!("dev/{device}"), iso("CONTEXT"));
        }
        let said = guest.message();
        match named {
            Some(places) => assert!(said.contains(&format!("  {places}{SEVERAL}")), "{said}"),
            None => assert!(!said.contains(SEVERAL), "{said}"),
        }
    }
}

#[test]
fn a_fifo_or_a_directory_in_place_of_a_file_makes_nobody_wait() {
    let guest = Guest::new().file("context/token.txt/file", "");
    fs::create_dir_all(guest.path("var/run/one-context")).unwrap();
    for fifo in [ONE_ENV, "context/context.sh"] {
        assert!(
            Command::new("mkfifo")
                .arg(guest.path(fifo))
                .status()
                .unwrap()
                .success()
        );
    }
    let message = guest.message();
    assert!(
        message.contains("/one_env: it is a FIFO, not a regular file"),
        "{message}"
    );
    assert!(
        message.contains("/context/context.sh: it is a FIFO, not a regular file"),
        "{message}"
    );
}

#[test]
fn an_unusable_value_that_the_caller_gives_ends_the_lookup() {
    let guest = || Guest::new().file(ONE_ENV, one_env(ENDPOINT, "8", TOKEN));
    for vmid in ["abc", "+5", "-1", "0x1", "1_0", "5\u{1b}[2J", "5 6"] {
        let mut guest = guest();
        guest.vmid = Some(vmid.to_owned());
        let message = guest.message();
        assert!(
            message.contains(&format!("option --vmid: {vmid:?} is not a VM's id"))
                && message.starts_with("What was given can't be used:\n"),
            "{message}"
        );
        assert!(
            !message.contains("one_env") && !message.contains('\u{1b}'),
            "{message}"
        );
    }
    let scheme = "not a URL that starts with http:// or https://";
    for (endpoint, what) in [
        ("192.168.122.1:5030", scheme),
        ("ftp://host", scheme),
        ("http:/host", scheme),
        ("http://", "a URL without a host"),
        ("https:///x", "a URL without a host"),
        ("http://a b", scheme),
        ("http://a\u{1}b", "not a URL: it has control characters"),
    ] {
        let message = guest().variable("ONEGATE_ENDPOINT", endpoint).message();
        let expected = format!("environment variable ONEGATE_ENDPOINT: {endpoint:?} is {what}");
        assert!(message.contains(&expected), "{message}");
    }
    let message = guest().variable("TOKENTXT", "two\nlines").message();
    assert!(
        message.contains("environment variable TOKENTXT: not a token")
            && !message.contains("two")
            && !message.contains("incomplete")
            && !message.contains("template"),
        "{message}"
    );

    for (file, what) in [
        ("none", "absent"),
        ("empty", "empty"),
        ("words", "not a token"),
    ] {
        let mut guest = guest().file("empty", "\n").file("words", "two words");
        guest.token_file = Some(guest.path(file));
        let message = guest.message();
        assert!(
            message.contains(&format!("option --token-file /{file}: {what}")),
            "{message}"
        );
    }
    let mut guest = guest();
    guest.vmid = Some(String::new());
    assert_eq!(
        guest.found()[1],
        "8 @ /var/run/one-context/one_env",
        "an empty option is none"
    );
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let root = Path::new("/nonexistent/root");
    let missing = context::find(&Lookup {
        endpoint: None,
        vmid: None,
        token_file: None,
        environment: &|_| None,
        root,
    });
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .contains("--root /nonexistent/root: absent")
    );
}

/// inotify sees every file that is opened.
#[test]
fn nothing_is_touched_once_all_three_are_known() {
    let guest = Guest::new()
        .file(ONE_ENV, one_env(ENDPOINT, "8", TOKEN))
        .file(
            "var/run/one-context/context.sh.local",
            context_sh(ENDPOINT, "8"),
        )
        .file("context/context.sh", context_sh(ENDPOINT, "8"))
        .file("proc/self/mountinfo", "")
        .file("sys/block/sr0/size", "80\n")
        .file("dev/sr0", iso("OTHER"));
    let watcher = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    let watch = |path: &str| {
        inotify::add_watch(&watcher, guest.path(path), inotify::WatchFlags::OPEN).unwrap()
    };
    let later = [
        "var/run/one-context/context.sh.local",
        "context",
        "proc/self",
        "sys/block",
        "dev",
    ];
    let watches: Vec<i32> = later.into_iter().map(watch).collect();
    let opened = || {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&watcher, &mut buffer);
        let mut seen = Vec::new();
        while let Ok(event) = reader.next() {
            seen.push(event.wd());
        }
        seen
    };
    guest.find().unwrap();
    assert!(
        opened().is_empty(),
        "touched although one_env has everything"
    );

    fs::write(guest.path(ONE_ENV), one_env(ENDPOINT, "8", "")).unwrap();
    guest.find().unwrap_err();
    let seen = opened();
    assert!(
        watches.iter().all(|watch| seen.contains(watch)),
        "the token was not looked for everywhere"
    );
}

/// OpenNebula's sample script documents ONEGATE_TOKEN as a path. A token that begins with a slash is none.
#[test]
fn a_token_variable_may_name_the_file_of_the_token() {
    const SLASH: &str = "/2NW2GAEkGkmhmtpTxPpQw==";
    let one_env_text = one_env("http://one-env", "3", "dG9rZW4z");
    let guest = Guest::new()
        .file(ONE_ENV, one_env_text.clone())
        .file("token.txt", "\u{feff}dG9rZW45\r\n");
    let own = guest.path("token.txt").display().to_string();
    for (value, token) in [
        (own.as_str(), "dG9rZW45"),
        ("/nonexistent/token.txt", "dG9rZW4z"),
        ("/dev/null", "dG9rZW4z"),
        ("/", "dG9rZW4z"),
        ("/etc/ssl", "dG9rZW4z"),
        (SLASH, SLASH),
    ] {
        let guest = Guest::new()
            .file(ONE_ENV, one_env_text.clone())
            .variable("ONEGATE_TOKEN", value);
        let found = guest.found();
        assert!(
            found[2].starts_with(&format!("{token} @ ")),
            "{value}: {found:?}"
        );
        assert!(
            found[0].starts_with("http://one-env @ "),
            "{value}: {found:?}"
        );
    }
    // In a file of the guest the path is under the guest's root.
    let guest = Guest::new()
        .file(
            "context/context.sh",
            context_sh("http://lxc", "5") + "ONEGATE_TOKEN='/mnt/token.txt'\n",
        )
        .file("context/token.txt", "dG9rZW42\n");
    assert_eq!(guest.found()[2], "dG9rZW42 @ /context/token.txt");
    let guest = guest.file("mnt/token.txt", "dG9rZW43");
    assert_eq!(
        guest.found()[2],
        "dG9rZW43 @ /context/context.sh: ONEGATE_TOKEN=/mnt/token.txt"
    );
    // Nowhere else is a token: the message says what was wrong with the path.
    let guest = Guest::new().variable("ONEGATE_TOKEN", "/nonexistent/token.txt");
    let missing = guest.message();
    assert!(
        missing.contains(
            "environment variable ONEGATE_TOKEN: ONEGATE_TOKEN=/nonexistent/token.txt: absent"
        ),
        "{missing}"
    );
}
