// The supervisor's reports: figures with small plots, a table by channel or operator, and a file for a spreadsheet.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useApp } from "../app";
import { ask } from "../protocol/http";
import { problemOf } from "../store/desk";
import {
  type By,
  type Column,
  dayBefore,
  figure,
  type Group,
  lines,
  type Report,
  type ReportShown,
} from "../store/reports";
import { coded, t } from "../words";
import { Icon } from "./icons";
import { Day } from "./search";

const SPANS = [7, 30, 90] as const;
const BYS: readonly By[] = ["hour", "day", "week", "month"];

export function ReportsPage() {
  const { desk } = useApp();
  const there = useSignal<readonly ReportShown[]>([]);
  const chosen = useSignal("volume");
  const today = dayBefore(desk.clock.now.peek(), 0);
  const from = useSignal(dayBefore(desk.clock.now.peek(), 6));
  const to = useSignal(today);
  const by = useSignal<By>("day");
  const report = useSignal<Report | null>(null);
  const problem = useSignal("");
  const query = `from=${from.value}&to=${to.value}&by=${by.value}`;
  const name = chosen.value;

  const fail = (failed: unknown) => {
    problem.value = problemOf(failed);
  };
  useEffect(() => {
    ask<{ reports: ReportShown[] }>("GET", "/reports").then((answer) => {
      there.value = answer.reports;
    }, fail);
  }, []);
  useEffect(() => {
    let wanted = true;
    ask<Report>("GET", `/reports/${name}?${query}`).then((answer) => {
      if (!wanted) return;
      report.value = answer;
      problem.value = "";
    }, fail);
    return () => {
      wanted = false;
    };
  }, [name, query]);

  return (
    <section class="page reports" aria-label={t("page.reports")}>
      <header class="page-head">
        <h1>{t("page.reports")}</h1>
        <a class="button" href={`/desk/reports/${name}?${query}&format=csv`} download>
          <Icon name="download" size={16} /> CSV
        </a>
      </header>
      <div class="segments" role="tablist" aria-label={t("page.reports")}>
        {there.value.map((each) => (
          <button
            type="button"
            role="tab"
            key={each.name}
            class={each.name === name ? "segment on" : "segment"}
            aria-selected={each.name === name}
            onClick={() => {
              chosen.value = each.name;
            }}
          >
            {coded("report", each.name)}
          </button>
        ))}
      </div>
      <div class="filters">
        {SPANS.map((days) => (
          <button
            type="button"
            key={days}
            class="chip"
            onClick={() => {
              from.value = dayBefore(desk.clock.now.peek(), days - 1);
              to.value = today;
              by.value = days > 40 ? "week" : "day";
            }}
          >
            {t("report.days", { n: days })}
          </button>
        ))}
        <Day label={t("search.from")} of={from} />
        <Day label={t("search.to")} of={to} />
        <select
          aria-label={t("report.by")}
          value={by.value}
          onChange={(event) => {
            by.value = BYS.find((each) => each === event.currentTarget.value) ?? "day";
          }}
        >
          {BYS.map((each) => (
            <option key={each} value={each}>
              {t(`report.by_${each}`)}
            </option>
          ))}
        </select>
      </div>
      {problem.value && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
      {report.value?.name === name && <Shown report={report.value} />}
    </section>
  );
}

function Shown({ report }: { report: Report }) {
  const [all] = report.groups;
  return (
    <>
      <div class="figures">
        {all && report.columns.map((column) => <Figure key={column.name} report={report} column={column} all={all} />)}
      </div>
      <div class="table-frame">
        <table>
          <thead>
            <tr>
              <th scope="col">{report.group === "channel" ? t("search.channel") : t("search.operator")}</th>
              {report.columns.map((column) => (
                <th scope="col" key={column.name} title={column.about}>
                  {coded("figure", column.name)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {report.groups.map((group) => (
              <GroupRow key={group.key} report={report} group={group} />
            ))}
          </tbody>
        </table>
      </div>
      <p class="quiet">
        {t("report.period", { from: report.from, to: report.to, zone: report.timezone })}
        {report.index.state !== "ready" && ` · ${t("search.behind")}`}
      </p>
    </>
  );
}

function GroupRow({ report, group }: { report: Report; group: Group }) {
  const { desk } = useApp();
  const name = group.key === "" ? t("report.all") : report.group === "operator" ? desk.nameOf(group.key) : group.key;
  return (
    <tr class={group.key === "" ? "whole" : ""}>
      <th scope="row">{name}</th>
      {report.columns.map((column) => (
        <td key={column.name}>{figure(group.total[column.name], column.unit)}</td>
      ))}
    </tr>
  );
}

const WIDTH = 240;
const HEIGHT = 48;

/** One figure over time: bars for what is counted, a line for everything else. */
function Figure({ report, column, all }: { report: Report; column: Column; all: Group }) {
  const values = all.series[column.name] ?? [];
  const words = coded("figure", column.name);
  const total = figure(all.total[column.name], column.unit);
  return (
    <figure class="figure">
      <figcaption title={column.about}>
        <span class="quiet">{words}</span>
        <b>{total}</b>
      </figcaption>
      <svg
        viewBox={`0 -2 ${WIDTH} ${HEIGHT + 4}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${words}: ${total}`}
      >
        {column.unit === "count" ? (
          <Bars report={report} column={column} values={values} />
        ) : (
          lines(values, WIDTH, HEIGHT).map((points) => <polyline key={points} points={points} />)
        )}
      </svg>
    </figure>
  );
}

function Bars({ report, column, values }: { report: Report; column: Column; values: readonly (number | null)[] }) {
  const highest = Math.max(1, ...values.map((each) => each ?? 0));
  const step = WIDTH / Math.max(1, values.length);
  return (
    <>
      {report.buckets.map((bucket, i) => {
        const high = ((values[i] ?? 0) / highest) * HEIGHT;
        return (
          <rect
            key={bucket.start}
            x={i * step + step * 0.12}
            y={HEIGHT - high}
            width={step * 0.76}
            height={high}
            rx={1.5}
          >
            <title>{`${bucket.label}: ${figure(values[i], column.unit)}`}</title>
          </rect>
        );
      })}
    </>
  );
}
