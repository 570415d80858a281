// Forms in the chat: the questions before it, the message for when nobody is there, and the rating after it.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Chat } from "./chat";
import { Icon, SignButton } from "./icons";
import { inLanguage } from "./look";
import type { Question } from "./protocol";
import type { Language, Say } from "./texts";

const EMAIL = /^[^\s@<>()[\],;:"]{1,64}@[^\s@<>()[\],;:"]{1,180}\.[^\s@.]{2,63}$/;
const MESSAGE = "message";

/** What is asked while nobody is there. */
export function offlineQuestions(say: Say): Question[] {
  return [
    { name: "name", label: { en: say("name") }, required: false },
    { name: "email", label: { en: say("email") }, kind: "email" },
  ];
}

/** Says what is wrong with an answer; nothing: it is right. The server looks again. */
export function problemOf(question: Question, answer: string): "required" | "badEmail" | undefined {
  if (!answer.trim()) return question.required === false ? undefined : "required";
  return question.kind === "email" && !EMAIL.test(answer.trim()) ? "badEmail" : undefined;
}

interface FormProps {
  chat: Chat;
  say: Say;
  language: Language;
  name: "questions" | "offline";
  questions: Question[];
  intro: string;
}

export function FormCard({ chat, say, language, name, questions, intro }: FormProps): JSX.Element {
  const [answers, setAnswers] = useState<Record<string, string>>(() => ({
    ...chat.keep.all.answers,
    ...chat.keep.tab.answers,
  }));
  const [tried, setTried] = useState(false);
  const asked: Question[] = [...questions, { name: MESSAGE, label: { [language]: say("yourMessage") } }];
  const answer = ({ name }: Question) => (name === MESSAGE ? chat.draft : (answers[name] ?? ""));
  const write = ({ name }: Question, text: string) => {
    if (name === MESSAGE) return chat.note(text);
    const all = { ...answers, [name]: text };
    setAnswers(all);
    chat.keep.putTab({ answers: all });
  };
  const submit = (event: Event) => {
    event.preventDefault();
    setTried(true);
    const wrong = asked.find((question) => problemOf(question, answer(question)));
    const form = event.currentTarget as HTMLFormElement;
    if (wrong) return form.querySelector<HTMLElement>(`[name="${wrong.name}"]`)?.focus();
    chat.keep.put({ answers });
    const given = asked.map((question) => [question.name, answer(question).trim()]).filter(([, text]) => text);
    chat.note("");
    chat.say({ kind: "form", name, answers: Object.fromEntries(given) as Record<string, string> });
  };
  return (
    <form class="card" noValidate onSubmit={submit}>
      <p>{intro}</p>
      {asked.map((question) => (
        <Field
          key={question.name}
          question={question}
          say={say}
          language={language}
          value={answer(question)}
          problem={tried ? problemOf(question, answer(question)) : undefined}
          write={(text) => write(question, text)}
        />
      ))}
      <button type="submit" class="primary">
        {say(name === "offline" ? "leave" : "start")}
      </button>
    </form>
  );
}

interface FieldProps {
  question: Question;
  say: Say;
  language: Language;
  value: string;
  problem: "required" | "badEmail" | undefined;
  write(text: string): void;
}

function Field({ question, say, language, value, problem, write }: FieldProps): JSX.Element {
  const { name, kind = "text", required = true, options = [] } = question;
  const shared = {
    name,
    value,
    "aria-required": required,
    "aria-invalid": !!problem,
    ...(problem && { "aria-describedby": `wrong-${name}` }),
    onInput: (event: Event) => write((event.currentTarget as HTMLInputElement).value),
  };
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: one of the three is in it
    <label class="answering">
      <span>
        {inLanguage(question.label, language)}
        {!required && <small> ({say("optional")})</small>}
      </span>
      {kind === "choice" ? (
        <select {...shared}>
          <option value="">{say("choose")}</option>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {inLanguage(option.label, language)}
            </option>
          ))}
        </select>
      ) : kind === "email" ? (
        <input {...shared} type="email" maxLength={254} autocomplete="email" />
      ) : name === MESSAGE ? (
        <textarea {...shared} rows={3} maxLength={10_000} lang={language} dir="auto" spellcheck />
      ) : (
        <input {...shared} type="text" maxLength={300} autocomplete={name === "name" ? "name" : "on"} />
      )}
      {problem && (
        <small class="wrong" id={`wrong-${name}`}>
          {say(problem)}
        </small>
      )}
    </label>
  );
}

const FACES = { 2: ["bad", "good"], 3: ["bad", "soso", "good"] } as const;

export function RatingCard({ chat, say }: { chat: Chat; say: Say }): JSX.Element | null {
  const [score, setScore] = useState(0);
  const [comment, setComment] = useState("");
  const { choices = 3, comment: mayComment = true } = chat.session?.look.rating ?? {};
  if (!choices) return null;
  const send = (given: number) => chat.say({ kind: "rating", score: given, scale: choices, comment: comment.trim() });
  return (
    <fieldset class="card rating">
      <legend>{say("rate")}</legend>
      <SignButton
        sign="close"
        label={say("notNow")}
        class="small"
        onClick={() => {
          chat.keep.put({ rated: chat.now.closed });
          chat.changed();
        }}
      />
      <div class="faces">
        {FACES[choices].map((face, place) => (
          <button
            key={face}
            type="button"
            class={face}
            aria-pressed={score === place + 1}
            onClick={() => (mayComment ? setScore(place + 1) : send(place + 1))}
          >
            <Icon name={face} />
            {say(face)}
          </button>
        ))}
      </div>
      {score > 0 && (
        <>
          <textarea
            rows={2}
            maxLength={2_000}
            dir="auto"
            value={comment}
            placeholder={say("comment")}
            aria-label={say("comment")}
            onInput={(event) => setComment(event.currentTarget.value)}
          />
          <button type="button" class="primary" onClick={() => send(score)}>
            {say("sendRating")}
          </button>
        </>
      )}
    </fieldset>
  );
}
