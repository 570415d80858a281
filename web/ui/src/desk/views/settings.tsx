// What an operator sets for this browser.
import type { Signal } from "@preact/signals";
import { useApp } from "../app";
import type { SendKey, Theme } from "../store/settings";
import { catalogues, type Language, languageNames, t } from "../words";

export function SettingsPage() {
  const { desk, settings, deeds } = useApp();
  const themes: Record<Theme, string> = { system: t("theme.system"), light: t("theme.light"), dark: t("theme.dark") };
  const keys: Record<SendKey, string> = { enter: "Enter", "ctrl-enter": "Ctrl + Enter" };
  return (
    <section class="page" aria-label={t("page.settings")}>
      <header class="page-head">
        <h1>{t("page.settings")}</h1>
      </header>
      <div class="settings">
        <Pick label={t("settings.language")} of={settings.language} choices={languagesByName()} />
        <Pick label={t("settings.theme")} of={settings.theme} choices={themes} />
        <Pick label={t("settings.send")} of={settings.sendKey} choices={keys} />
        <Switch label={t("settings.sound")} of={settings.sound} />
        <Switch label={t("settings.notifications")} of={settings.notifications} onTurn={askForNotifications} />
        <button type="button" class="button" onClick={() => deeds.run("keys")}>
          {t("deed.keys")}
        </button>
        <hr />
        <p class="quiet">{t("settings.signed_in", { who: desk.me.value?.name ?? "" })}</p>
        <div class="form-deeds start">
          <button type="button" class="button" onClick={() => void desk.signOut()}>
            {t("deed.sign_out")}
          </button>
          <button type="button" class="button danger" onClick={() => void desk.signOut(true)}>
            {t("settings.sign_out_everywhere")}
          </button>
        </div>
      </div>
    </section>
  );
}

const languagesByName = (): Record<Language, string> => {
  const names = Object.keys(catalogues) as Language[];
  return Object.fromEntries(names.map((each) => [each, languageNames[each]])) as Record<Language, string>;
};

/** The browser asks the operator once; a refusal stands in the browser's own settings. */
function askForNotifications(on: boolean): void {
  if (on && "Notification" in window && Notification.permission === "default") void Notification.requestPermission();
}

function Pick<T extends string>({ label, of, choices }: { label: string; of: Signal<T>; choices: Record<T, string> }) {
  const names = Object.keys(choices) as T[];
  return (
    <fieldset class="pick">
      <legend>{label}</legend>
      <div class="segments">
        {names.map((name) => (
          <label key={name} class={of.value === name ? "segment on" : "segment"}>
            <input
              type="radio"
              class="unseen"
              name={label}
              checked={of.value === name}
              onChange={() => {
                of.value = name;
              }}
            />
            {choices[name]}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Switch({ label, of, onTurn }: { label: string; of: Signal<boolean>; onTurn?: (on: boolean) => void }) {
  return (
    <label class="switch">
      <span>{label}</span>
      <input
        type="checkbox"
        role="switch"
        aria-checked={of.value}
        checked={of.value}
        onChange={(event) => {
          of.value = event.currentTarget.checked;
          onTurn?.(of.value);
        }}
      />
    </label>
  );
}
