//! What templates give, and what they refuse.

#![allow(clippy::string_slice, reason = "tests show what stands at a place")]

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::*;
use crate::domain::profile::Profile;
use crate::domain::sequence::{Limits, Schedule, Variable, ZoneRule};

fn template(format: Format, subject: Option<&str>, body: &str) -> Template {
    Template {
        format,
        subject: subject.map(str::to_owned),
        preheader: None,
        attachments: Vec::new(),
        body: body.to_owned(),
    }
}

fn definition(unsubscribe: Unsubscribe, template: Template) -> Definition {
    Definition {
        id: "spring".to_owned(),
        name: "Spring".to_owned(),
        accounts: Vec::new(),
        voices: BTreeMap::new(),
        enter_from: Vec::new(),
        exit_on: Vec::new(),
        unsubscribe,
        allow_parallel: false,
        schedule: Schedule {
            zone: ZoneRule::Influencer,
            fallback: "UTC".to_owned(),
            days: Vec::new(),
            hours: Vec::new(),
            holidays: Vec::new(),
            max_late: "24h".to_owned(),
        },
        limits: Limits { new_per_day: None, per_day: None, per_domain: None, gap: None },
        variables: Vec::new(),
        steps: Vec::new(),
        on_reply: None,
        on_finish: None,
        pause_if: Vec::new(),
        templates: BTreeMap::from([("t".to_owned(), template)]),
    }
}

fn variable(name: &str, value: Option<&str>, from: Option<&str>, default: Option<&str>) -> Variable {
    let json = |text: Option<&str>| text.map(Into::into);
    Variable { name: name.to_owned(), value: json(value), from: from.map(str::to_owned), default: json(default) }
}

fn context_of(first_name: &str, line: &str) -> Context {
    let properties = Map::from_iter([("niche".to_owned(), "trail".into())]);
    let influencer = Profile {
        handle: "@ana".to_owned(),
        first_name: first_name.to_owned(),
        stage: "prospect".to_owned(),
        reach: 12_000,
        tags: vec!["a".to_owned(), "b".to_owned()],
        properties,
        ..Profile::default()
    };
    let given = Given {
        influencer,
        owner: Owner { name: "Kim Doe".to_owned(), first_name: "Kim".to_owned(), email: String::new() },
        account: Writer { name: "Acme".to_owned(), address: "hello@acme.example".to_owned() },
        filled: Map::from_iter([("line".to_owned(), json!(line))]),
        unsubscribe_url: Some("https://hub.acme.example/u/abc?x=1&y=2".to_owned()),
        sender: Some(Sender { name: "Acme".to_owned(), address: "1 Main St, Portland".to_owned() }),
    };
    let variables = [
        variable("product", Some("Trail Tee"), None, None),
        variable("first_name", None, Some("influencer.first_name"), Some("there")),
        variable("niche", None, Some("influencer.properties.niche"), None),
        variable("nothing", None, Some("influencer.properties.fit"), None),
    ];
    Context::new(given, &variables)
}

fn shown(format: Format, body: &str, context: &Context) -> Result<Rendered, TemplateError> {
    render(&definition(Unsubscribe::Header, template(format, Some("Hi"), body)), "t", context)
}

#[test]
fn a_markdown_template_becomes_text_and_html() {
    let body = "Hi {{ first_name }},\n\n{{ line }}\n\nMay we send you a **{{ product }}**? \
                [Pick a size]({{ link('https://shop.example/gift?a=1', campaign='spring') }}).\n\n{{ owner.first_name }}";
    let mut template = template(Format::Markdown, Some("{{ influencer.handle }} × {{ product }}"), body);
    template.preheader = Some("A <gift>".to_owned());
    let message = render(&definition(Unsubscribe::Footer, template), "t", &context_of("", "Nice run!")).unwrap();
    assert_eq!(message.subject.as_deref(), Some("@ana × Trail Tee"));
    let link = "https://shop.example/gift?a=1&utm_source=email&utm_campaign=spring";
    assert_eq!(message.links, [link]);
    assert_eq!(
        message.text,
        format!(
            "Hi there,\n\nNice run!\n\nMay we send you a Trail Tee? Pick a size <{link}>.\n\nKim\n\n\
             -- \nAcme, 1 Main St, Portland\nUnsubscribe: https://hub.acme.example/u/abc?x=1&y=2\n"
        )
    );
    let html = message.html.unwrap();
    for part in [
        "<p>Hi there,</p>",
        "<strong>Trail Tee</strong>",
        "<a href=\"https://shop.example/gift?a=1&amp;utm_source=email&amp;utm_campaign=spring\">Pick a size</a>",
        ">A &lt;gift&gt;</div>\n<p>Hi",
        "Acme, 1 Main St, Portland<br>",
        "<a href=\"https://hub.acme.example/u/abc?x=1&amp;y=2\"",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
}

#[test]
fn values_are_never_markup() {
    let hostile =
        "<script>alert(1)</script> **bold** [x](javascript:alert(1)) `c` &amp; \u{e000}0\u{e001}\n    # h\n- i";
    let context = context_of(hostile, hostile);
    for body in
        ["{{ first_name }}", "Hi *{{ line }}* there", "<div title=\"{{ line }}\">{{ line }}</div>", "`{{ line }}`"]
    {
        let html = shown(Format::Markdown, body, &context).unwrap().html.unwrap();
        for markup in ["<script", "<strong", "<a ", "<h1", "<li", "<pre", "\" onx"] {
            assert!(!html.contains(markup), "{markup} is in {html}");
        }
        assert!(html.contains("**bold**") && html.contains("&amp;amp;"), "{html}");
    }
    let html = shown(Format::Html, "<p title='{{ line }}'>{{ line }}</p>", &context).unwrap().html.unwrap();
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
    let text = shown(Format::Text, "{{ line }}", &context).unwrap();
    assert!(text.html.is_none() && text.text.starts_with("<script>alert(1)</script> **bold**"), "{}", text.text);
}

#[test]
fn a_value_keeps_its_lines_and_a_link_can_be_followed() {
    let message = shown(Format::Markdown, "{{ line }}", &context_of("Ana", "one\ntwo")).unwrap();
    assert_eq!(message.text, "one\ntwo\n");
    let message = shown(Format::Markdown, "See {{ link('https://a.test') }}.", &context_of("Ana", "x")).unwrap();
    let url = "https://a.test/?utm_source=email";
    assert!(message.html.unwrap().contains(&format!("<a href=\"{url}\">{url}</a>.")));
    assert_eq!(message.text, format!("See {url}.\n"));
}

#[test]
fn a_subject_is_one_line_whatever_a_value_says() {
    let subject = |text: &str, line: &str| {
        let template = template(Format::Text, Some(text), "x");
        render(&definition(Unsubscribe::Header, template), "t", &context_of("Ana", line)).map(|m| m.subject.unwrap())
    };
    assert_eq!(subject("{{ line }}", "a\r\nBcc: x@y.example\u{2028}\0b"), Ok("a Bcc: x@y.example b".to_owned()));
    assert_eq!(subject("{{ line }}", &"x".repeat(251)).unwrap_err().part, Part::Subject);
    assert_eq!(subject("{{ '' }}", "x").unwrap_err().message, "it is empty");
}

#[test]
fn what_is_not_known_is_an_error_with_its_place() {
    for (body, name) in [
        ("Hi {{ fist_name }}", "fist_name"),
        ("Hi {{ influencer.last_name }}", "influencer.last_name"),
        ("{{ influencer.properties.fit }}", "influencer.properties.fit"),
        ("{% if owner.email %}x{% endif %}", "owner.email"),
        ("{{ nothing }}", "nothing"),
        ("{{ sender.name }}{{ account.name }}{{ steps.intro.sent }}", "steps"),
    ] {
        let error = shown(Format::Markdown, body, &context_of("Ana", "x")).unwrap_err();
        let at = error.at.clone().unwrap();
        assert!(error.undefined && error.message.contains(name), "{body}: {error}");
        assert!(body[at.clone()].contains(name.rsplit('.').next().unwrap()), "{body}: {at:?}");
    }
    let context = context_of("Ana", "x");
    assert_eq!(shown(Format::Text, "{{ influencer.last_name | default('-') }}", &context).unwrap().text, "-\n");
    for body in ["{{ influencer }}", "{{ influencer.tags }}", "{{ none }}", "{{ x | safe }}", "{{ debug() }}"] {
        assert!(shown(Format::Text, body, &context).is_err(), "{body}");
    }
    assert_eq!(shown(Format::Text, "{{ influencer.tags | join(', ') }}", &context).unwrap().text, "a, b\n");
}

#[test]
fn links_lead_to_the_web_or_nowhere() {
    let context = context_of("Ana", "javascript:alert(1)");
    for body in [
        "{{ link('javascript:alert(1)') }}",
        "{{ link('ftp://a.test') }}",
        "{{ link('a.test/x') }}",
        "{{ link('https://u:p@a.test') }}",
        "{{ link(line) }}",
        "{{ link('https://a.test', campain='x') }}",
        "[x]({{ line }})",
        "[x](javascript:alert)",
        "<a href='java&#115;cript:x'>x</a>",
        "<a href=' data:text/html,x'>x</a>",
        "<img src=x onerror=y>",
        "<script>x</script>",
        "<form action='https://a.test'></form>",
    ] {
        assert!(shown(Format::Markdown, body, &context).is_err(), "{body}");
    }
    let own = shown(Format::Text, "{{ link('https://a.test/?utm_source=x#f', campaign='b c') }}", &context).unwrap();
    assert_eq!(own.links, ["https://a.test/?utm_source=x&utm_campaign=b+c#f"]);
}

#[test]
fn html_gets_its_styles_inlined_and_its_footer_inside() {
    let body = "<html><head><style>p.x { color: red } @media print { p { color: blue } }</style></head>\
                <body><p class=\"x\">Hi {{ first_name }}</p></body></html>";
    let definition = definition(Unsubscribe::Footer, template(Format::Html, Some("S"), body));
    let message = render(&definition, "t", &context_of("Ana", "x")).unwrap();
    let html = message.html.unwrap();
    assert!(html.contains("style=\"color: red") && html.contains("@media"), "{html}");
    assert!(html.find("Unsubscribe").unwrap() < html.find("</body>").unwrap(), "{html}");
    assert!(message.text.starts_with("Hi Ana\n\n-- \n"), "{}", message.text);
}

#[test]
fn nothing_goes_out_without_its_link_to_unsubscribe() {
    let mut context = context_of("Ana", "x");
    let inline = definition(Unsubscribe::Inline, template(Format::Markdown, None, "Hi"));
    assert!(render(&inline, "t", &context).unwrap_err().message.contains("unsubscribe_url"));
    let inline =
        definition(Unsubscribe::Inline, template(Format::Markdown, None, "Hi. [No more]({{ unsubscribe_url }})"));
    let message = render(&inline, "t", &context).unwrap();
    assert_eq!((message.subject, message.links.len()), (None, 0));
    assert!(message.text.contains("No more <https://hub.acme.example/u/abc?x=1&y=2>"), "{}", message.text);
    let footer = definition(Unsubscribe::Footer, template(Format::Markdown, None, "Hi"));
    context.sender = None;
    assert!(render(&footer, "t", &context).unwrap_err().message.contains("postal address"));
    context.unsubscribe_url = None;
    assert!(render(&footer, "t", &context).unwrap_err().message.contains("link to unsubscribe"));
}

#[test]
fn a_template_has_a_budget() {
    let context = context_of("Ana", "x");
    for body in [
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 99999999 }}",
        "{% set a = 'xxxxxxxx' * 99 %}{% set b = a * 99 %}{% set c = b * 99 %}{{ c * 99 }}",
    ] {
        let error = shown(Format::Text, body, &context).unwrap_err();
        assert!(error.message.contains("too long or grows too large"), "{error}");
    }
}

#[test]
fn short_texts_are_rendered_too() {
    let context = context_of("Ana", "x");
    let text = render_inline("Watch {{ influencer.handle }}'s <latest> post", &context);
    assert_eq!(text.as_deref(), Ok("Watch @ana's <latest> post"));
    assert!(render_inline("{{ nobody }}", &context).unwrap_err().undefined);
    assert!(render_inline(&"x".repeat(INLINE_MAX + 1), &context).is_err());
}

#[test]
fn conditions_ask_about_the_same_people() {
    let facts = context_of("", "x").facts(BTreeMap::new());
    let holds = |text: &str| crate::domain::expression::evaluate(text, &facts);
    assert_eq!(holds("influencer.reach > 10000 and product == 'Trail Tee' and stage == 'prospect'"), Ok(true));
    assert_eq!(holds("first_name == 'there' and influencer.first_name is not defined"), Ok(true));
    assert!(holds("influencer.first_name == 'x'").unwrap_err().undefined);
}

#[test]
fn only_a_tag_alone_on_its_line_takes_the_line_with_it() {
    let context = context_of("Ana", "x");
    let text = |body: &str| shown(Format::Text, body, &context).unwrap().text;
    let body = "Hi{% if influencer.first_name is defined %} {{ influencer.first_name }}{% endif %}\n\nI saw it.";
    assert!(text(body).starts_with("Hi Ana\n\nI saw it."), "{}", text(body));
    assert!(text("See you{% if true %} soon{% endif %}\r\nKim").starts_with("See you soon\nKim"));
    assert!(text("a {# a note #}\nb").starts_with("a \nb"));
    assert!(text("one\n{% if true %}\ntwo\n{% endif %}\nthree").starts_with("one\ntwo\nthree"));
    assert!(text("one\n  {% if true %}\n  two\n  {% endif %}\nthree").starts_with("one\n  two\nthree"));
    assert!(text("x{% raw %}{% if %}\n{% endraw %}\ny").starts_with("x{% if %}\n\ny"));
    assert!(text("a{% if '%}' %}b{% endif -%}\nc { d {").starts_with("abc { d {"));
    assert!(text("a{% if true %}b{% endif +%}\nc").starts_with("ab\nc"));
    let wrong = shown(Format::Text, "a{% if true %}b{% endif %}\n{{ nobody }}", &context).unwrap_err();
    assert_eq!(&"a{% if true %}b{% endif %}\n{{ nobody }}"[wrong.at.unwrap()], "nobody");
}

#[test]
fn footer_that_nobody_could_see_is_an_error() {
    let context = context_of("Ana", "x");
    let shown = |format, body: &str, context: &Context| {
        render(&definition(Unsubscribe::Footer, template(format, Some("Hi"), body)), "t", context)
    };
    let hidden = shown(Format::Html, "<p>Big offer</p><!-- old part\n<p>x</p>", &context).unwrap_err();
    assert!(hidden.message.contains("can't be seen"), "{}", hidden.message);
    assert!(shown(Format::Html, "<p>Big offer</p><!-- old part -->\n<p>x</p>", &context).is_ok());
    assert!(shown(Format::Markdown, "Big offer\n\n<!-- old part", &context).is_err());
}

#[test]
fn value_can_be_put_into_a_link() {
    let context = context_of("Tom & Co #1", "x");
    let body = "[x](https://shop.example/?n={{ influencer.first_name | urlencode }}&d=10)";
    let html = shown(Format::Markdown, body, &context).unwrap().html.unwrap();
    assert!(html.contains("n=Tom%20%26%20Co%20%231&amp;d=10"), "{html}");
}

#[test]
fn a_link_says_on_which_channel_it_came() {
    let context = context_of("Ana", "x");
    let text = "{{ link('https://a.test/x', campaign='spring') }}";
    for (channel, source) in [(Channel::Sms, "sms"), (Channel::Slack, "slack"), (Channel::Email, "email")] {
        let said = render_words(text, &context, channel).unwrap();
        assert_eq!(said, format!("https://a.test/x?utm_source={source}&utm_campaign=spring"));
    }
    let own = render_words("{{ link('https://a.test/?utm_source=bio') }}", &context, Channel::Sms).unwrap();
    assert_eq!(own, "https://a.test/?utm_source=bio");
}
