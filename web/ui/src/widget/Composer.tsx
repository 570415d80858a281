// Where the visitor writes, records and attaches.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { duration } from "../shared/measures";
import type { Chat } from "./chat";
import { SignButton } from "./icons";
import { canRecord, LONGEST, type Recording, record } from "./recorder";
import type { Language, Say } from "./texts";

interface Props {
  chat: Chat;
  say: Say;
  language: Language;
  warn(text: string): void;
}

export function Composer({ chat, say, language, warn }: Props): JSX.Element {
  const text = chat.draft;
  const [recording, setRecording] = useState<Recording | undefined>(undefined);
  const held = useRef<{ recording?: Recording | undefined; gone?: boolean }>({});
  held.current.recording = recording;
  const box = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const types = chat.session?.file_types ?? [];
  const voice = canRecord() && types.some((type) => /^(audio\/|\*)/.test(type));

  useEffect(() => {
    const area = box.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }, [text, recording]);

  useEffect(
    () => () => {
      held.current.gone = true;
      held.current.recording?.discard(); // nobody is listened to by a chat that is closed
    },
    [],
  );

  const send = () => {
    const said = text.trim();
    if (!said) return;
    chat.type("");
    chat.say({ kind: "text", text: said });
    box.current?.focus();
  };
  const attach = (files: Iterable<File> | null | undefined) => files && chat.files.attach(files);
  const begin = () =>
    record().then(
      (begun) => (held.current.gone ? begun.discard() : setRecording(begun)),
      () => warn(say("microphone")),
    );

  if (recording) {
    const done = () => {
      setRecording(undefined);
      void recording.stop().then(({ file, length }) => chat.files.attach([file], length));
    };
    const discard = () => {
      setRecording(undefined);
      recording.discard();
    };
    return (
      <div class="composer">
        <Recorder say={say} done={done} discard={discard} />
      </div>
    );
  }
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="field">
        {types.length > 0 && (
          <>
            <input
              ref={picker}
              type="file"
              multiple
              hidden
              onChange={(event) => {
                attach(event.currentTarget.files);
                event.currentTarget.value = "";
              }}
            />
            <SignButton sign="clip" label={say("attach")} class="tool" onClick={() => picker.current?.click()} />
          </>
        )}
        <textarea
          ref={box}
          rows={1}
          maxLength={10_000}
          lang={language}
          dir="auto"
          spellcheck
          enterkeyhint="send"
          value={text}
          placeholder={say("write")}
          aria-label={say("message")}
          onInput={(event) => chat.type(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
          onPaste={(event) => {
            const { files, types = [] } = event.clipboardData ?? {};
            const words = types.includes("text/plain") && types.includes("text/html"); // a table, and its picture
            if (!files?.length || words) return;
            event.preventDefault();
            attach(files);
          }}
        />
        {voice && !text.trim() ? (
          <SignButton sign="mic" label={say("record")} class="tool" onClick={begin} />
        ) : (
          <SignButton sign="send" label={say("send")} type="submit" class="send" disabled={!text.trim()} />
        )}
      </div>
      {chat.session?.preview && <p class="hint">{say("preview")}</p>}
    </form>
  );
}

function Recorder({ say, done, discard }: { say: Say; done(): void; discard(): void }): JSX.Element {
  const [since] = useState(Date.now);
  const [length, setLength] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setLength(Date.now() - since), 250);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (length > LONGEST) done();
  }, [length]);
  return (
    <div class="field recording">
      <SignButton sign="bin" label={say("discard")} class="tool" onClick={discard} />
      <span class="live" role="status">
        <i /> {say("recording")} <time aria-hidden="true">{duration(length)}</time>
      </span>
      <SignButton sign="send" label={say("send")} class="send" onClick={done} />
    </div>
  );
}
