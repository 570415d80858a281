// One box for everything: deeds, conversations, people. And the cheat sheet.
import { useSignal } from "@preact/signals";
import { type App, useApp } from "../app";
import type { Chord } from "../keys/chords";
import type { Deed, Group } from "../keys/deeds";
import { t } from "../words";
import { Dialog, Keys } from "./bits";
import { Icon, type IconName } from "./icons";
import { calledIn } from "./naming";
import { Picker } from "./picker";

interface Hit {
  readonly key: string;
  readonly label: string;
  readonly about: string;
  readonly icon: IconName;
  readonly chord?: Chord;
  readonly run: () => void;
}

const SHOWN = 12;

export function Palette() {
  const { places, ...rest } = useApp();
  const app: App = { places, ...rest };
  const wanted = useSignal("");
  return (
    <Picker
      id="hits"
      title={t("deed.palette")}
      label={t("palette.label")}
      place={t("palette.place")}
      wanted={wanted}
      found={search(app, wanted.value)}
      keyOf={(hit) => hit.key}
      draw={drawHit}
      none={t("palette.nothing")}
      onTake={(hit) => {
        places.shut();
        hit.run();
      }}
      onClose={() => places.shut()}
    />
  );
}

const drawHit = (hit: Hit) => (
  <>
    <Icon name={hit.icon} size={16} />
    <span class="hit-label">{hit.label}</span>
    <span class="quiet">{hit.about}</span>
    {hit.chord && <Keys chord={hit.chord} />}
  </>
);

function search(app: App, wanted: string): Hit[] {
  const words = wanted.trim().toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const fits = (text: string) => words.every((word) => text.toLocaleLowerCase().includes(word));
  const deeds = app.deeds.all
    .filter((deed) => deed.id !== "palette" && deed.id !== "back" && deed.when?.() !== false && fits(t(deed.label)))
    .map(deedHit);
  if (!words.length) return deeds;
  return [...deeds.slice(0, 6), ...conversations(app, fits), ...colleagues(app, fits)].slice(0, SHOWN * 2);
}

function deedHit(deed: Deed): Hit {
  const chord = deed.chord ? { chord: deed.chord } : {};
  return { key: deed.id, label: t(deed.label), about: "", icon: "bolt", run: deed.run, ...chord };
}

function conversations({ desk, places }: App, fits: (text: string) => boolean): Hit[] {
  const found = [...desk.lists.all()].filter((each) => fits(`${each.name} ${each.address} ${each.preview}`));
  return found.slice(0, SHOWN).map((each) => ({
    key: each.id,
    label: calledIn(each),
    about: each.preview,
    icon: "chat",
    run: () => places.open(each.id),
  }));
}

/** A colleague: the conversation at hand is handed over. */
function colleagues({ desk, places }: App, fits: (text: string) => boolean): Hit[] {
  const thread = desk.threads.current.value;
  const mine = thread?.summary.value?.owner === desk.me.value?.id;
  return desk.colleagues.value
    .filter((each) => each.id !== desk.me.value?.id && fits(each.name))
    .map((each) => ({
      key: `o-${each.id}`,
      label: thread && mine ? t("palette.transfer_to", { who: each.name }) : each.name,
      about: t(`presence.${each.state}`),
      icon: "person" as const,
      run: () => {
        if (thread && mine) void desk.do({ do: "transfer", conversation: thread.id, operator: each.id });
        else if (desk.isSupervisor.value) places.page.value = "team";
      },
    }));
}

const GROUPS: readonly Group[] = ["go", "conversation", "write", "desk"];

export function CheatSheet() {
  const { deeds, places } = useApp();
  return (
    <Dialog title={t("deed.keys")} onClose={() => places.shut()} wide>
      <p class="quiet">{t("keys.alt")}</p>
      <div class="cheats">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{t(`keys.${group}`)}</h3>
            <dl>
              {deeds.all
                .filter((deed) => deed.group === group && deed.chord)
                .map((deed) => (
                  <div key={deed.id}>
                    <dt>{t(deed.label)}</dt>
                    <dd>
                      <Keys chord={deed.chord ?? ""} />
                    </dd>
                  </div>
                ))}
              {group === "write" && <Fixed />}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

/** Keys of the editor itself. */
function Fixed() {
  const { settings } = useApp();
  const rows: [string, string][] = [
    [t("keys.send"), settings.sendKey.value === "enter" ? "Enter" : "mod+Enter"],
    [t("keys.line"), "shift+Enter"],
    [t("keys.slash"), "Slash"],
    [t("keys.tab"), "Tab"],
    [t("keys.at"), "@"],
  ];
  return (
    <>
      {rows.map(([label, chord]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <Keys chord={chord} />
          </dd>
        </div>
      ))}
    </>
  );
}
