// The way in.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useApp } from "../app";
import { Failed } from "../protocol/http";
import { problemOf } from "../store/desk";
import { catalogues, type Language, language, languageNames, t } from "../words";
import { Mark } from "./mark";

export function SignIn() {
  const { desk } = useApp();
  const problem = useSignal("");
  const busy = useSignal(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    busy.value = true;
    problem.value = "";
    try {
      await desk.signIn(String(form.get("operator")), String(form.get("password")));
    } catch (failed) {
      problem.value = failed instanceof Failed && failed.status ? problemOf(failed) : t("signin.unreachable");
    }
    busy.value = false;
  };

  return (
    <main class="sign-in">
      <form class="sign-in-card" onSubmit={(event) => void submit(event)}>
        <Mark size={44} />
        <h1>{t("signin.title")}</h1>
        <label for="operator">{t("signin.name")}</label>
        <input id="operator" name="operator" ref={first} autocomplete="username" autocapitalize="none" required />
        <label for="password">{t("signin.password")}</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required />
        <p class="problem" role="alert">
          {problem.value || desk.ended.value}
        </p>
        <button type="submit" class="button primary" disabled={busy.value}>
          {t("signin.do")}
        </button>
      </form>
      <LanguageLinks />
    </main>
  );
}

function LanguageLinks() {
  return (
    <p class="sign-in-languages">
      {(Object.keys(catalogues) as Language[]).map((each) => (
        <button
          type="button"
          key={each}
          lang={each}
          class="link"
          aria-pressed={language.value === each}
          onClick={() => {
            language.value = each;
          }}
        >
          {languageNames[each]}
        </button>
      ))}
    </p>
  );
}
