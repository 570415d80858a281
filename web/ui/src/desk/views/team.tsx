// The supervisor's page: who is there with which work and since when, what waits and for how long.
import { useEffect } from "preact/hooks";
import { useApp } from "../app";
import type { Operator, Queue } from "../protocol/wire";
import { lateness } from "../store/lateness";
import { coded, t } from "../words";
import { short } from "../words/times";
import { Avatar, Since } from "./bits";
import { lackingWords } from "./conversation";

export function TeamPage() {
  const { desk } = useApp();
  useEffect(() => desk.seeEverything(), []);
  const operators = [...desk.operators.value.values()].sort(byPresence);
  return (
    <section class="page team" aria-label={t("page.team")}>
      <header class="page-head">
        <h1>{t("page.team")}</h1>
        <p class="quiet">
          {t("team.online", { n: operators.filter((each) => each.online).length })} ·{" "}
          {t("team.waiting", { n: desk.lists.waiting.value })}
        </p>
      </header>
      <h2>{t("team.queues")}</h2>
      {desk.queues.value.length === 0 ? (
        <p class="quiet">{t("team.no_queues")}</p>
      ) : (
        <Queues queues={desk.queues.value} />
      )}
      <h2>{t("team.operators")}</h2>
      <div class="table-frame">
        <table>
          <thead>
            <tr>
              <th scope="col">{t("team.operator")}</th>
              <th scope="col">{t("team.state")}</th>
              <th scope="col">{t("team.since")}</th>
              <th scope="col">{t("team.load")}</th>
              <th scope="col">{t("team.held")}</th>
              <th scope="col">{t("team.skills")}</th>
            </tr>
          </thead>
          <tbody>
            {operators.map((each) => (
              <OperatorRow key={each.id} operator={each} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const byPresence = (a: Operator, b: Operator): number =>
  Number(b.online) - Number(a.online) ||
  Number(b.state === "available") - Number(a.state === "available") ||
  a.name.localeCompare(b.name);

function OperatorRow({ operator }: { operator: Operator }) {
  const { id, name, online, state, reason, since, load, units, held, parked, counts, skills, talking } = operator;
  const shown = online ? state : "offline";
  const part = units ? Math.min(100, Math.round((load / units) * 100)) : 0;
  const kinds = Object.entries(counts).map(([kind, n]) => `${kind} ${n}`);
  return (
    <tr>
      <th scope="row">
        <span class="person">
          <Avatar name={name} id={id} size="small" /> {name}
        </span>
      </th>
      <td>
        <span class={`dot ${shown}`} aria-hidden="true" /> {t(`presence.${shown}`)}
        {reason && <span class="quiet"> · {coded("presence", reason)}</span>}
        {talking && <span class="fact live">{t("call.on")}</span>}
      </td>
      <td>{since ? <Since at={since} /> : "—"}</td>
      <td>
        <span class="load" title={`${load} / ${units}`}>
          <progress
            class={part >= 100 ? "full" : ""}
            value={part}
            max={100}
            aria-label={t("team.load_of", { who: name })}
          />
          <span>{part} %</span>
        </span>
      </td>
      <td>
        {held}
        {parked > 0 && <span class="quiet"> + {t("team.parked", { n: parked })}</span>}
        {kinds.length > 0 && <span class="quiet"> ({kinds.join(", ")})</span>}
      </td>
      <td class="quiet">
        {Object.entries(skills)
          .map(([skill, level]) => `${skill} ${level}`)
          .join(", ")}
      </td>
    </tr>
  );
}

function Queues({ queues }: { queues: readonly Queue[] }) {
  const { desk } = useApp();
  const now = desk.clock.now.value;
  return (
    <div class="table-frame">
      <table>
        <thead>
          <tr>
            <th scope="col">{t("team.queue")}</th>
            <th scope="col">{t("team.kind")}</th>
            <th scope="col">{t("team.language")}</th>
            <th scope="col">{t("team.length")}</th>
            <th scope="col">{t("team.oldest")}</th>
            <th scope="col">{t("team.lacking")}</th>
          </tr>
        </thead>
        <tbody>
          {queues.map((each) => (
            <tr key={`${each.rule}/${each.kind}/${each.language ?? ""}`}>
              <th scope="row">{each.rule}</th>
              <td>{t(`kind.${each.kind}`)}</td>
              <td>{each.language ?? "—"}</td>
              <td>
                <b>{each.waiting}</b>
              </td>
              <td>
                {each.oldest ? (
                  <span
                    class={`waiting ${lateness(desk.serviceLevels.value, each.kind, each.rule, now - each.oldest)}`}
                  >
                    {short(now - each.oldest)}
                  </span>
                ) : (
                  "—"
                )}
              </td>
              <td class="quiet">{lackingWords(each.lacking ?? {})}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
