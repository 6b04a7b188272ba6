//! Faults, each put into the shipped sequence `gifting`: what is replaced in which file, by what, and which code is found
//! where `§` stands. `CODE@FILE:LINE:COLUMN` names the place; `+CODE` is what else follows from it, wherever.

use super::{base, read, short};

/// Name, file, what is replaced, by what, what is found.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("no_quote", "sequence.toml", "name        = \"Gifting\"", "name        = \"Gifting", "L001@sequence.toml:2:23"),
    ("no_value", "sequence.toml", "unsubscribe = \"footer\"", "unsubscribe =§", "L001"),
    ("unknown_root", "sequence.toml", "name        = \"Gifting\"", "§nam = \"Gifting\"", "L002"),
    ("unknown_root2", "sequence.toml", "exit_on     =", "§exits_on    =", "L002"),
    ("unknown_schedule", "sequence.toml", "fallback = \"America", "§falback = \"America", "L002"),
    ("unknown_limit", "sequence.toml", "new_per_day = 25", "§news_per_day = 25", "L002"),
    ("unknown_step_key", "sequence.toml", "split = [50, 50]", "split = [50, 50]\n§colour = \"red\"", "L002"),
    ("unknown_finish_key", "sequence.toml", "stage = \"no_response\"", "stage = \"no_response\"\n§unless = \"x\"", "L002"),
    ("unknown_pause_key", "sequence.toml", "bounce_rate    = 0.05", "bounce_rate    = 0.05\n§reply_rate = 0.5", "L002"),
    ("unknown_on", "sequence.toml", "[on.finish]", "[on.§stop]\nstage = \"declined\"\n[on.finish]", "L002"),
    ("unknown_variable_key", "sequence.toml", "default = \"there\" }", "default = \"there\", §els = \"x\" }", "L002"),
    ("sms_step", "sequence.toml", "[[step]]\nid   = \"size\"", "[[step]]\nid = §\"text\"\nsms = \"Hi. Reply STOP to opt out\"\n[[step]]\nid   = \"size\"", "L063+L051"),
    ("sms_stop", "sequence.toml", "[[step]]\nid   = \"size\"", "[[step]]\nid = \"text\"\nsms = §\"Hi\"\nelse = { task = \"Call.\" }\n[[step]]\nid   = \"size\"", "L064+L051"),
    ("slack_split", "sequence.toml", "[[step]]\nid   = \"size\"", "[[step]]\nid = \"text\"\nslack = \"Hi\"\n§split = [100]\n[[step]]\nid   = \"size\"", "L005+L051"),
    ("notify", "sequence.toml", "[on.finish]", "[on.reply]\n§notify = \"slack:#creators\"\nstage = \"in_talks\"\n[on.finish]", "L002"),
    ("notify_nobody", "sequence.toml", "[on.finish]", "[[step]]\nid = \"tell\"\nnotify = §\"Look.\"\n[on.finish]", "L065+L051"),
    ("else_sms", "sequence.toml", "email = \"last-note.md\"", "email = \"last-note.md\"\nelse = { sms = §\"x\" }", "L064"),
    ("no_at_most", "sequence.toml", "wait_for = \"clicked\"                        # until they picked a size …\nat_most  = \"3 business days\"", "wait_for = \"clicked\"", "L003@sequence.toml:35:1"),
    ("nothing_follows", "sequence.toml", "[on.finish]", "§[on.reply]\n[on.finish]", "L003"),
    ("pause_nothing", "sequence.toml", "[[pause_if]]\nbounce_rate    = 0.05\ncomplaint_rate = 0.001", "§[[pause_if]]", "L003"),
    ("name_number", "sequence.toml", "name        = \"Gifting\"", "name        = §5", "L004"),
    ("name_empty", "sequence.toml", "name        = \"Gifting\"", "name        = §\"\"", "L004"),
    ("unsubscribe_word", "sequence.toml", "unsubscribe = \"footer\"", "unsubscribe = §\"foter\"", "L004"),
    ("parallel_text", "sequence.toml", "unsubscribe = \"footer\"", "unsubscribe = \"footer\"\nallow_parallel = §\"yes\"", "L004"),
    ("limit_zero", "sequence.toml", "new_per_day = 25", "new_per_day = §0", "L004"),
    ("limit_text", "sequence.toml", "new_per_day = 25", "new_per_day = §\"25\"", "L004"),
    ("review_text", "sequence.toml", "email = \"nudge.md\"", "email = \"nudge.md\"\nreview = §\"yes\"", "L004"),
    ("wait_word", "sequence.toml", "wait_for = \"clicked\"", "wait_for = §\"clickd\"", "L004"),
    ("exit_word", "sequence.toml", "exit_on     = [\"stage:agreed\"]", "exit_on     = [§\"agreed\"]", "L004"),
    ("rate_high", "sequence.toml", "bounce_rate    = 0.05", "bounce_rate    = §5", "L004"),
    ("rate_text", "sequence.toml", "bounce_rate    = 0.05", "bounce_rate    = §\"5%\"", "L004"),
    ("variable_list", "sequence.toml", "product    = \"Trail Tee\"", "product    = §[\"Trail Tee\"]", "L004"),
    ("account_twice", "sequence.toml", "account     = \"hello\"", "account     = [\"hello\", §\"hello\"]", "L004"),
    ("variant_twice", "sequence.toml", "[\"intro-a.md\", \"intro-b.md\"]", "[\"intro-a.md\", §\"intro-a.md\"]", "L004"),
    ("two_kinds", "sequence.toml", "email = \"nudge.md\"", "email = \"nudge.md\"\n§task = \"Call them.\"", "L005"),
    ("split_on_task", "sequence.toml", "due    = \"2 business days\"", "§split = [100]", "L005"),
    ("assign_on_email", "sequence.toml", "email = \"nudge.md\"", "email = \"nudge.md\"\n§assign = \"kim\"", "L005"),
    ("due_on_wait", "sequence.toml", "at_most  = \"3 business days\"", "at_most  = \"3 business days\"\n§due = \"1 day\"", "L005"),
    ("at_most_on_email", "sequence.toml", "email = \"nudge.md\"", "email = \"nudge.md\"\n§at_most = \"1 day\"", "L005"),
    ("fills_on_email", "sequence.toml", "email = \"nudge.md\"", "email = \"nudge.md\"\n§fills = \"x\"", "L005"),
    ("review_on_task", "sequence.toml", "due    = \"2 business days\"", "§review = true", "L005"),
    ("else_waits", "sequence.toml", "email = \"last-note.md\"", "email = \"last-note.md\"\nelse = { wait_for = §\"clicked\", at_most = \"1 day\" }", "L005"),
    ("else_fills", "sequence.toml", "email = \"last-note.md\"", "email = \"last-note.md\"\nelse = { task = \"Call.\", fills = §\"x\" }", "L005"),
    ("id_upper", "sequence.toml", "id    = \"nudge\"", "id    = §\"Nudge\"", "L006"),
    ("id_hyphen", "sequence.toml", "id    = \"last_note\"", "id    = §\"last-note\"", "L006"),
    ("id_twice", "sequence.toml", "id   = \"size\"", "id   = §\"nudge\"", "L006"),
    ("template_gone", "sequence.toml", "email = \"nudge.md\"", "email = §\"nugde.md\"", "L007"),
    ("template_ending", "sequence.toml", "email = \"nudge.md\"", "email = §\"nudge.doc\"", "L007"),
    ("template_outside", "sequence.toml", "email = \"nudge.md\"", "email = §\"../nudge.md\"", "L007"),
    ("template_absolute", "sequence.toml", "email = \"nudge.md\"", "email = §\"/etc/nudge.md\"", "L007"),
    ("attachment_gone", "intro-a.md", "preheader: A small", "attachments: [§rates.pdf]\npreheader: A small", "L007"),
    ("tag_unknown", "nudge.md", "just checking", "{% §include \"x\" %} just checking", "L008"),
    ("filter", "nudge.md", "{{ first_name }}", "{{ first_name | §upercase }}", "L008"),
    ("function", "nudge.md", "just checking", "{{ §now() }} just checking", "L008"),
    ("test_word", "nudge.md", "just checking", "{% if first_name is §shiny %}x{% endif %} just checking", "L008"),
    ("script", "nudge.md", "just checking", "§<script>x()</script> just checking", "L008"),
    ("iframe", "last-note.md", "last note from me", "§<iframe src=\"https://a.example\"></iframe> last note from me", "L008"),
    ("autoescape", "nudge.md", "just checking", "{% §autoescape false %}x{% endautoescape %} just checking", "L008"),
    ("task_syntax", "sequence.toml", "{{ influencer.handle }}'s latest", "{{ influencer.handle | §loud }}'s latest", "L008"),
    ("safe", "nudge.md", "{{ first_name }}", "{{ first_name | §safe }}", "L008"),
    ("head_key", "intro-a.md", "preheader: A", "§preheder: A", "L009"),
    ("head_line", "intro-a.md", "preheader: A small gift for your next run", "§a small gift", "L009"),
    ("head_twice", "intro-a.md", "preheader: A", "§subject: \"x y\"\npreheader: A", "L009"),
    ("head_empty", "intro-a.md", "preheader: A small gift for your next run", "preheader: §\"\"", "L009"),
    ("no_subject", "intro-b.md", "---\nsubject: \"A {{ product }} for {{ influencer.handle }}?\"\n---\n", "", "L010@sequence.toml:32:24"),
    ("account", "sequence.toml", "account     = \"hello\"", "account     = §\"hallo\"", "L011"),
    ("accounts", "sequence.toml", "account     = \"hello\"", "account     = [\"hello\", §\"third\"]", "L011"),
    ("teammate", "sequence.toml", "assign = \"owner\"", "assign = §\"kin\"", "L011"),
    ("name_body", "nudge.md", "{{ first_name }}", "{{ §fist_name }}", "L012"),
    ("name_body2", "nudge.md", "the {{ product }}", "the {{ §prodct }} {{ product }}", "L012"),
    ("name_subject", "intro-a.md", "{{ influencer.handle }} ×", "{{ §influencer.handel }} ×", "L012"),
    ("name_preheader", "intro-a.md", "preheader: A small gift", "preheader: A {{ §gift }}", "L012"),
    ("name_task", "sequence.toml", "{{ influencer.handle }}'s latest", "{{ §influencer.hand }}'s latest", "L012"),
    ("name_owner", "nudge.md", "{{ account.name }}", "{{ §owner.nick }}", "L012"),
    ("name_account", "nudge.md", "{{ account.name }}", "{{ §account.mail }}", "L012"),
    ("name_condition", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"not steps.intro.clicked and §colour\"\nemail", "L012"),
    ("name_finish", "sequence.toml", "if    = \"not steps.intro.clicked\"\nstage", "if    = \"§owner.name == 'x'\"\nstage", "L012"),
    ("name_filled_later", "sequence.toml", "{{ influencer.handle }}'s latest post", "{{ influencer.handle }}'s {{ §personal_line }} post", "L012"),
    ("from_unknown", "sequence.toml", "from = \"influencer.first_name\"", "from = §\"influencer.firstname\"", "L012"),
    ("from_nowhere", "sequence.toml", "from = \"influencer.first_name\"", "from = §\"crm.first_name\"", "L012"),
    ("loop_name", "nudge.md", "just checking", "{% for t in §influencer.tag %}{{ t }}{% endfor %} just checking", "L012"),
    ("property", "nudge.md", "just checking", "{{ §influencer.properties.nich | default(\"x\") }} just checking", "L013"),
    ("property_condition", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"§influencer.properties.colour == 'a'\"\nemail", "L013"),
    ("property_from", "sequence.toml", "from = \"influencer.first_name\"", "from = §\"influencer.properties.nick\"", "L013"),
    ("no_default", "nudge.md", "{{ first_name }}", "{{ first_name }} {{ §influencer.last_name }}", "L014"),
    ("no_default_property", "nudge.md", "{{ first_name }}", "{{ first_name }} {{ §influencer.properties.niche }}", "L014"),
    ("no_default_condition", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"§influencer.properties.fit == 'a'\"\nemail", "L014"),
    ("no_default_from", "sequence.toml", "{ from = \"influencer.first_name\", default = \"there\" }", "{ from = §\"influencer.first_name\" }", "L014"),
    ("no_default_email", "nudge.md", "just checking", "{{ §influencer.email }} just checking", "L014"),
    ("split_sum", "sequence.toml", "split = [50, 50]", "split = §[50, 40]", "L015"),
    ("split_length", "sequence.toml", "split = [50, 50]", "split = §[50, 25, 25]", "L015"),
    ("split_zero", "sequence.toml", "split = [50, 50]", "split = §[100, 0]", "L015"),
    ("split_text", "sequence.toml", "split = [50, 50]", "split = §\"half\"", "L015"),
    ("stage_enter", "sequence.toml", "\"applicant\", \"prospect\"", "\"applicant\", §\"prospekt\"", "L016"),
    ("stage_exit", "sequence.toml", "\"stage:agreed\"", "§\"stage:agree\"", "L016"),
    ("stage_finish", "sequence.toml", "stage = \"no_response\"", "stage = §\"silent\"", "L016"),
    ("stage_step", "sequence.toml", "email = \"nudge.md\"", "email = \"nudge.md\"\nstage = §\"nudged\"", "L016"),
    ("else_without_end", "sequence.toml", "ask for size and address.\"", "ask for size and address.\"\n§else = { task = \"Ask again.\" }", "L061"),
    ("else_of_an_answer", "sequence.toml", "fills  = \"personal_line\"", "fills  = \"personal_line\"\nat_most = \"2 days\"\n§else = { task = \"Ask again.\" }", "L061"),
    ("step_later", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"not §steps.last_note.clicked\"\nemail", "L017"),
    ("step_self", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"not §steps.nudge.clicked\"\nemail", "L017"),
    ("step_unknown", "sequence.toml", "if    = \"not steps.intro.clicked\"\nstage", "if    = \"not §steps.outro.clicked\"\nstage", "L017"),
    ("step_fact", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"not §steps.intro.klicked\"\nemail", "L017"),
    ("step_alone", "sequence.toml", "if    = \"not steps.intro.clicked\"\nstage", "if    = \"not §steps.intro\"\nstage", "L017"),
    ("condition_end", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"not steps.intro.clicked §and\"\nemail", "L018"),
    ("condition_amp", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"not steps.intro.clicked §& stage\"\nemail", "L018"),
    ("condition_filter", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"stage | §uper == 'X'\"\nemail", "L018"),
    ("delay_after", "sequence.toml", "after = \"5 business days\"\nif    = \"not steps.intro.clicked and", "after = §\"5 working days\"\nif    = \"not steps.intro.clicked and", "L019"),
    ("delay_number", "sequence.toml", "at_most  = \"3 business days\"", "at_most  = §\"3\"", "L019"),
    ("delay_due", "sequence.toml", "due    = \"2 business days\"", "due    = §\"next tue 10:00\"", "L019"),
    ("delay_gap", "sequence.toml", "gap         = \"2m to 7m\"", "gap         = §\"7m to 2m\"", "L019"),
    ("delay_zero", "sequence.toml", "at_most  = \"3 business days\"", "at_most  = §\"0 days\"", "L019"),
    ("delay_weekday", "sequence.toml", "after = \"5 business days\"\nif    = \"not steps.intro.clicked and", "after = §\"next moonday 10:00\"\nif    = \"not steps.intro.clicked and", "L019"),
    ("delay_late", "sequence.toml", "[limits]", "max_late = §\"soon\"\n[limits]", "L019"),
    ("zone_fallback", "sequence.toml", "fallback = \"America/New_York\"", "fallback = §\"America/New_Yorck\"", "L020"),
    ("hours", "sequence.toml", "\"13:30-17:00\"", "§\"13:30-25:00\"", "L021"),
    ("hours_night", "sequence.toml", "\"13:30-17:00\"", "§\"22:00-02:00\"", "L021"),
    ("hours_overlap", "sequence.toml", "[\"09:00-12:00\", \"13:30-17:00\"]", "§[\"09:00-12:00\", \"11:30-17:00\"]", "L021"),
    ("days", "sequence.toml", "\"mon\", \"tue\"", "§\"moon\", \"tue\"", "L021"),
    ("holiday", "sequence.toml", "\"2026-12-24\"", "§\"2026-13-24\"", "L021"),
    ("holiday_country", "sequence.toml", "[\"us\",", "[§\"xx\",", "L021"),
    ("no_days", "sequence.toml", "[\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]", "§[]", "L022"),
    ("no_hours", "sequence.toml", "[\"09:00-12:00\", \"13:30-17:00\"]", "§[]", "L022"),
    ("never", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = §\"steps.intro.replied\"\nemail", "L023"),
    ("never_task", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = §\"steps.look.clicked\"\nemail", "L023"),
    ("never_both", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = §\"steps.intro.clicked and not steps.intro.sent\"\nemail", "L023"),
    ("never_false", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = §\"false\"\nemail", "L023"),
    ("after_the_end", "sequence.toml", "id   = \"size\"\nif   = \"steps.intro.clicked\"", "id   = \"end\"\nstage = \"agreed\"\ntask = \"Agree.\"\n[[step]]\nid   = §\"size\"\nif   = \"steps.intro.clicked\"", "L023+L051"),
    ("taken", "sequence.toml", "product    = \"Trail Tee\"", "product    = \"Trail Tee\"\n§owner = \"x\"", "L028"),
    ("link_scheme", "intro-b.md", "link(\"https://shop.example/gift\"", "link(§\"ftp://shop.example/gift\"", "L029"),
    ("link_relative", "intro-b.md", "link(\"https://shop.example/gift\"", "link(§\"/gift\"", "L029"),
    ("link_script", "intro-b.md", "link(\"https://shop.example/gift\"", "link(§\"javascript:x\"", "L029"),
    ("variable_none", "sequence.toml", "product    = \"Trail Tee\"", "§product    = { default = \"Trail Tee\" }", "L031"),
    ("variable_name", "sequence.toml", "product    = \"Trail Tee\"", "product    = \"Trail Tee\"\n§Product = \"x\"", "L031"),
    ("opened", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"not §steps.intro.opened\"\nemail", "L050"),
    ("wait_opened", "sequence.toml", "wait_for = \"clicked\"", "wait_for = §\"opened\"", "L050"),
    ("many", "sequence.toml", "[on.finish]", "[[step]]\nid = §\"more\"\ntask = \"Call.\"\n[on.finish]", "L051"),
    ("hasty", "sequence.toml", "after = \"5 business days\"\nif    = \"not steps.intro.clicked and", "after = §\"3h\"\nif    = \"not steps.intro.clicked and", "L052"),
    ("hasty_none", "sequence.toml", "id    = \"last_note\"\nafter = \"5 business days\"", "id    = §\"last_note\"", "L052"),
    ("above", "sequence.toml", "new_per_day = 25", "new_per_day = §250", "L053"),
    ("above_day", "sequence.toml", "new_per_day = 25", "new_per_day = 25\nper_day = §41", "L053"),
    ("http", "intro-b.md", "link(\"https://shop", "link(\"§http://shop", "L054"),
    ("shortener", "intro-b.md", "link(\"https://shop.example/gift\"", "link(\"§https://bit.ly/gift\"", "L054"),
    ("plain_http", "nudge.md", "A plain \"no\"", "[Look](§http://shop.example). A plain \"no\"", "L054"),
    ("shouting", "intro-b.md", "subject: \"A {{ product }} for {{ influencer.handle }}?\"", "subject: \"§FREE GIFT INSIDE {{ product }}\"", "L056"),
    ("unused", "sequence.toml", "product    = \"Trail Tee\"", "product    = \"Trail Tee\"\n§colour = \"red\"", "L057"),
    ("else_review", "sequence.toml", "email = \"last-note.md\"", "email = \"last-note.md\"\nelse = { task = \"Call.\", §review = true }", "L005"),
    ("else_email", "sequence.toml", "email = \"last-note.md\"", "email = \"last-note.md\"\nelse = { §email = \"nudge.md\" }", "L005"),
    ("else_task_email", "sequence.toml", "due    = \"2 business days\"", "due    = \"2 business days\"\nelse = { task = \"x {{ §nobody }}\" }", "L012+L061"),
    ("set", "nudge.md", "just checking", "{% §set a = 1 %} just checking", "L008"),
    ("with", "nudge.md", "just checking", "{% §with a = 1 %}x{% endwith %} just checking", "L008"),
    ("filter_block", "nudge.md", "just checking", "{% §filter upper %}x{% endfilter %} just checking", "L008"),
    ("macro", "nudge.md", "just checking", "{% §macro a() %}x{% endmacro %} just checking", "L008"),
    ("escape", "nudge.md", "{{ first_name }}", "{{ first_name | §escape }}", "L008"),
    ("escape_e", "nudge.md", "{{ first_name }}", "{{ first_name | §e }}", "L008"),
    ("head_loose", "intro-b.md", "subject: \"A {{ product }} for {{ influencer.handle }}?\"", "subject: §\"A {{ product }}\" for you", "L009"),
    ("head_quotes", "intro-b.md", "subject: \"A {{ product }} for {{ influencer.handle }}?\"", "subject: §\"A \"{{ product }}\" for you\"", "L009"),
    ("head_block", "intro-b.md", "subject: \"A {{ product }} for {{ influencer.handle }}?\"", "subject: §>", "L009"),
    ("target_scheme", "nudge.md", "just checking", "[look](§htp://shop.example) just checking", "L029"),
    ("target_relative", "nudge.md", "just checking", "[look](§/gift) just checking", "L029"),
    ("target_reference", "nudge.md", "just checking", "[look][shop] just checking\n\n[shop]: htp://shop.example\n\nAnd", "L029@nudge.md:3:1"),
    ("target_nowhere", "nudge.md", "just checking", "§[look][shop] just checking", "L029"),
    ("target_name", "nudge.md", "just checking", "[look]({{ §shop }}) just checking", "L012"),
    ("target_picture", "nudge.md", "just checking", "![look](§gift.png) just checking", "L029"),
    ("target_value", "nudge.md", "just checking", "[look]({{ product }}) just checking", "L034@nudge.md:1:1"),
    ("fails_tags", "nudge.md", "just checking", "{{ §influencer.tags[0] }} just checking", "L034"),
    ("fails_attribute", "nudge.md", "just checking", "{{ §influencer['first' ~ '_name'] }} just checking", "L034"),
    ("fails_condition", "sequence.toml", "if    = \"not steps.intro.clicked\"\nemail", "if    = \"§influencer.reach\"\nemail", "L034"),
    ("fails_task", "sequence.toml", "{{ influencer.handle }}'s latest", "{{ §influencer.tags | first }}'s latest", "L034"),
    ("task_link", "sequence.toml", "{{ influencer.handle }}'s latest", "{{ §unsubscribe_url }} {{ influencer.handle }}'s latest", "L012"),
    ("footer_hidden", "nudge.md", "just checking", "just checking\n\n<!-- old", "L034@nudge.md:1:1"),
    ("hole", "nudge.md", "{{ first_name }}", "{{ §influencer.first_name | default(\"\") }}", "L060"),
    ("hole_later", "nudge.md", "just checking", "Thanks {{ §influencer.last_name | default('') }}! just checking", "L060"),
    ("no_subject_skipped", "sequence.toml", "email = [\"intro-a.md\", \"intro-b.md\"]", "if = \"influencer.reach > 1000\"\nemail = [\"intro-a.md\", \"intro-b.md\"]", "L010@sequence.toml:44:9"),
    ("filled_skipped", "sequence.toml", "fills  = \"personal_line\"", "if = \"influencer.reach > 1000\"\nfills  = \"personal_line\"", "L014@intro-a.md:7:4+L014"),
    ("unused_fills", "sequence.toml", "id   = \"size\"\nif   = \"steps.intro.clicked\"", "id   = \"size\"\nfills = §\"dress_size\"\nif   = \"steps.intro.clicked\"", "L057"),
];

/// What a case expects: the finding with its place, and codes beside it.
fn expected(case: &Case, text: &str) -> (String, Vec<String>) {
    let (_, file, _, _, wanted) = case;
    let mut parts = wanted.split('+');
    let main = parts.next().expect("a code");
    let beside = parts.map(str::to_owned).collect();
    let place = match main.split_once('@') {
        Some((code, place)) => format!("{code} sequences/gifting/{place}"),
        None => {
            let before = text.split('§').next().expect("a text");
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().expect("a line").chars().count() + 1;
            format!("{main} sequences/gifting/{file}:{line}:{column}")
        }
    };
    (place, beside)
}

#[test]
fn each_fault_is_found_at_its_place_and_nothing_else() {
    assert!(CASES.len() >= 100, "{} cases", CASES.len());
    let base = base();
    let mut wrong = Vec::new();
    for case in CASES {
        let (name, file, from, to, _) = case;
        let path = format!("sequences/gifting/{file}");
        let mut files = base.clone();
        let text = files.get_mut(&path).unwrap_or_else(|| panic!("{name}: no {file}"));
        assert!(text.contains(from), "{name}: {from:?} is not in {file}");
        let spoilt = text.replacen(from, to, 1);
        let (place, beside) = expected(case, &spoilt);
        *text = spoilt.replace('§', "");
        let loaded = read(&files);
        let found: Vec<String> = loaded.findings.iter().map(short).collect();
        let others: Vec<&str> = loaded.findings.iter().filter(|f| short(f) != place).filter_map(|f| f.code).collect();
        if !found.contains(&place) || others != beside {
            wrong.push(format!(
                "{name}: {place} and {beside:?} expected, {found:?} found: {:?}",
                loaded.findings.iter().map(|f| &f.message).collect::<Vec<_>>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}\n", wrong.len(), CASES.len(), wrong.join("\n"));
}
