"""The words by which mail programs mark what is quoted, forwarded, signed or automatic, in the languages of Europe.

All in lower case. Sources: what Gmail, Outlook, Thunderbird, Apple Mail, mail.ru, Yandex, Onet and WP write.
"""

REPLY_ABOVE: dict[str, str] = {
    "en": "Please type your reply above this line",
    "ru": "Пожалуйста, пишите ответ выше этой строки",
    "uk": "Будь ласка, пишіть відповідь вище цього рядка",
    "pl": "Prosimy odpowiadać powyżej tej linii",
    "de": "Bitte antworten Sie oberhalb dieser Zeile",
}
"""What stands on top of our own mails when it is asked for, between ``##-`` and ``-##``."""

MARKER_OPENS, MARKER_CLOSES = "##-", "-##"

WROTE: tuple[str, ...] = (
    *("wrote", "writes", "schrieb", "schrieben", "schreibt", "geschrieben"),
    *("пишет", "писал", "писала", "написал", "написала", "написали", "сообщил", "сообщает"),
    *("пише", "писав", "писала", "написав", "написала", "піша", "напісаў"),
    *("napisał", "napisała", "napisali", "pisze", "nadesłał", "nadesłała"),
    *("napsal", "napsala", "napísal", "píše"),
    *("a écrit", "escribió", "ha scritto", "escreveu", "a scris", "schreef", "heeft geschreven"),
    *("skrev", "skrev följande", "kirjoitti", "kirjutas", "rašė", "rakstīja", "ezt írta"),
    *("yazdı", "şunu yazdı"),  # noqa: RUF001  # Turkish has this letter
    *("написа", "je napisao", "je napisala"),
)
"""How the line above a quote ends, but for a name, the "(a)" of a past tense and the colon."""

WROTE_FIRST: tuple[str, ...] = ("wiadomość napisana przez",)
"""How it begins where the date comes last (Apple Mail in Polish)."""

ORIGINAL: frozenset[str] = frozenset(
    {
        *("original message", "original appointment", "reply message", "ursprüngliche nachricht", "originalnachricht"),
        *("исходное сообщение", "оригинальное сообщение", "первоначальное сообщение", "исходное письмо"),
        *("вихідне повідомлення", "початкове повідомлення", "оригінальне повідомлення", "вихідний лист"),
        *("wiadomość oryginalna", "oryginalna wiadomość", "wiadomość pierwotna", "treść oryginalna"),
        *("message d'origine", "mensaje original", "messaggio originale", "mensagem original"),
        *("oorspronkelijk bericht", "původní zpráva", "pôvodná správa", "ursprungligt meddelande"),
        *("oprindelig meddelelse", "opprinnelig melding", "alkuperäinen viesti", "eredeti üzenet"),
    }
)
"""Between dashes above the message that is answered."""

FORWARDED: frozenset[str] = frozenset(
    {
        *("forwarded message", "begin forwarded message", "weitergeleitete nachricht"),
        *("anfang der weitergeleiteten nachricht", "пересылаемое сообщение", "пересланное сообщение"),
        *("перенаправленное сообщение", "начало переадресованного сообщения", "конец переадресованного сообщения"),
        *("переслане повідомлення", "перенаправлене повідомлення", "початок переадресованого повідомлення"),
        *(
            "przekazana wiadomość",
            "wiadomość przekazana",
            "wiadomość przekazana dalej",
            "początek przekazywanej wiadomości",
        ),
        *("message transféré", "mensaje reenviado", "messaggio inoltrato", "doorgestuurd bericht", "přeposlaná zpráva"),
    }
)
"""Above a message that is passed on, which is what the author wants to show: nothing of it is cut."""

FIELDS: dict[str, str] = {
    **dict.fromkeys(
        ("from", "von", "от", "от кого", "від", "від кого", "od", "de", "da", "van", "från", "fra"), "from"
    ),
    **dict.fromkeys(
        ("отправитель", "відправник", "nadawca", "expéditeur", "remitente", "mittente", "lähettäjä"), "from"
    ),
    **dict.fromkeys(("sent", "date", "gesendet", "datum", "отправлено", "дата", "послано", "надіслано"), "date"),
    **dict.fromkeys(("відправлено", "wysłano", "wysłane", "data", "envoyé", "enviado", "enviado el", "fecha"), "date"),
    **dict.fromkeys(("inviato", "verzonden", "odesláno", "odoslané", "skickat", "sendt", "lähetetty"), "date"),
    **dict.fromkeys(("to", "an", "кому", "do", "à", "para", "a", "aan", "komu", "till", "til", "adresat"), "to"),
    **dict.fromkeys(("cc", "kopie", "копия", "копія", "dw", "do wiadomości", "copie à", "kopia", "kopi"), "cc"),
    **dict.fromkeys(("subject", "betreff", "тема", "temat", "objet", "asunto", "oggetto", "onderwerp"), "subject"),
    **dict.fromkeys(("předmět", "predmet", "ämne", "emne", "assunto", "aihe"), "subject"),
    **dict.fromkeys(
        ("reply-to", "antwort an", "importance", "priority", "attachments", "вложения", "załączniki"), "other"
    ),
    **dict.fromkeys(("organization", "organisation", "priorität", "anlagen", "важность", "ważność"), "other"),
}
"""The fields that Outlook and others copy above the message that is answered, and what they mean."""

SENT_FROM: tuple[str, ...] = (
    *("sent from ", "sent with ", "sent via ", "get outlook for ", "von meinem ", "von meiner ", "gesendet von "),
    *("gesendet mit ", "gesendet über ", "diese nachricht wurde von meinem", "outlook für ", "holen sie sich outlook"),
    *("отправлено ", "послано ", "скачать outlook", "отримати outlook"),
    *("надіслано з ", "надіслано із ", "надіслано зі ", "надіслано через ", "відправлено з ", "відправлено із "),
    *("wysłane z ", "wysłano z ", "wysłane przez ", "wysłane za pomocą ", "pobierz outlook", "uzyskaj outlook"),
    *("envoyé de mon ", "envoyé depuis ", "enviado desde ", "enviado do meu ", "inviato da ", "inviato dal mio "),
    *("verstuurd vanaf ", "verzonden vanaf ", "odesláno z ", "odoslané z ", "skickat från ", "sendt fra "),
)
"""How the last line begins that a telephone puts below a mail ..."""

DEVICES: tuple[str, ...] = (
    *("iphone", "ipad", "android", "samsung", "galaxy", "huawei", "xiaomi", "redmi", "pixel", "blackberry", "nokia"),
    *("outlook", "gmail", "mail", "yahoo", "spark", "windows", "mobil", "handy", "telefon", "smartphone", "smartfon"),
    *("phone", "телефон", "смартфон", "мобиль", "мобіль", "почт", "пошт", "айфон", "poczt"),
)
"""... and what it names, so that "sent from our warehouse" stays."""

REPLY_PREFIXES: frozenset[str] = frozenset(
    {
        *("re", "aw", "antw", "antwort", "sv", "vs", "odp", "отв", "ответ", "відп", "відповідь"),
        *("rif", "réf", "rép", "res", "resp", "bls", "vá", "ynt", "ats", "atb", "hl"),
    }
)
FORWARD_PREFIXES: frozenset[str] = frozenset(
    {
        *("fwd", "fw", "wg", "wtr", "tr", "rv", "pd", "пер", "перен", "пересл", "переслать", "fs", "vb", "vl"),
        *("doorst", "enc", "továbbítás", "ilt"),
    }
)
"""What stands before the colon of a subject; with a number in brackets in old programs (``RE[2]:``)."""

AUTOMATIC_SUBJECTS: tuple[str, ...] = (
    *("automatic reply:", "auto reply:", "auto-reply:", "autoreply:", "out of office:", "out of office reply:"),
    *("out of office autoreply:", "automatische antwort:", "abwesenheitsnotiz:", "abwesend:", "автоответ:"),
    *("автоматический ответ:", "автоматична відповідь:", "автовідповідь:", "automatyczna odpowiedź:"),
    *("autoodpowiedź:", "odpowiedź automatyczna:", "réponse automatique:", "respuesta automática:"),
    *("risposta automatica:", "automatisch antwoord:", "automatická odpověď:", "autosvar:", "automaattinen vastaus:"),
)
"""How the subject of a notice of absence begins, where its program sends no header that says so."""

BOUNCE_SUBJECTS: tuple[str, ...] = (
    *("undelivered mail", "undeliverable", "undelivered", "delivery status notification", "failure notice"),
    *("mail delivery failed", "mail delivery failure", "mail delivery system", "delivery failure", "returned mail"),
    *("mail could not be delivered", "message delivery failure", "unzustellbar", "nicht zustellbar"),
    *("недоставлен", "не доставлен", "сообщение не доставлено", "ошибка доставки", "не вдалося доставити"),
    *("недоставлене повідомлення", "zwrot wiadomości", "niedostarczona", "nie można dostarczyć", "niedostarczalne"),
    *("warning: could not send message", "delayed mail", "message delayed", "delivery delayed"),
)
"""What the subject of a plain-text bounce holds; looked at only when a mail server wrote it."""
