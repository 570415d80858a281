// The column of lists: mine, the queue, all; with sections, a filter, and rows that age by themselves.
import { useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useApp } from "../app";
import { along } from "../keys/chords";
import type { Summary } from "../protocol/wire";
import type { ListName, Order } from "../store/lists";
import { t } from "../words";
import { Row } from "./row";
import { type Entry, Virtual } from "./virtual";

const ROW = 72;
const HEAD = 30;

export function ListPane() {
  const { desk } = useApp();
  return (
    <section class="list-pane" aria-label={t("list.conversations")}>
      <Tabs />
      <Filter />
      <Rows name={desk.list.value} />
    </section>
  );
}

function Tabs() {
  const { desk } = useApp();
  const names: ListName[] = desk.isSupervisor.value ? ["mine", "queue", "all"] : ["mine", "queue"];
  const count: Record<ListName, number> = {
    mine: desk.lists.orders.mine.value.ids.length,
    queue: desk.lists.waiting.value,
    all: desk.lists.orders.all.value.ids.length,
  };
  const move = (event: KeyboardEvent) => {
    const by = along(event);
    if (!by) return;
    const next = names[(names.indexOf(desk.list.value) + by + names.length) % names.length] ?? "mine";
    desk.chooseList(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={t("list.lists")} onKeyDown={move}>
      {names.map((name) => (
        <button
          type="button"
          role="tab"
          key={name}
          id={`tab-${name}`}
          class="tab"
          aria-selected={desk.list.value === name}
          aria-controls="list"
          tabIndex={desk.list.value === name ? 0 : -1}
          onClick={() => desk.chooseList(name)}
        >
          {t(`list.${name}`)} {(name !== "all" || desk.list.value === "all") && <b class="count">{count[name]}</b>}
        </button>
      ))}
    </div>
  );
}

function Filter() {
  const { places } = useApp();
  const box = useRef<HTMLInputElement>(null);
  useSignalEffect(() => {
    if (places.granted("filter")) box.current?.focus();
  });
  return (
    <input
      ref={box}
      class="filter"
      type="search"
      value={places.filter.value}
      placeholder={t("list.filter")}
      aria-label={t("list.filter")}
      onInput={(event) => {
        places.filter.value = event.currentTarget.value;
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" || event.key === "ArrowDown") {
          event.preventDefault();
          places.step(1);
        }
      }}
    />
  );
}

function Rows({ name }: { name: ListName }) {
  const { desk, places } = useApp();
  const order = desk.lists.orders[name].value;
  const filter = places.filter.value.trim().toLocaleLowerCase();
  const me = desk.me.value?.id ?? "";
  const ids = useMemo(
    () => (filter ? order.ids.filter((id) => fits(desk.lists.row(id)?.peek(), filter)) : order.ids),
    [order, filter],
  );
  const entries = useMemo(() => sections(name, ids, filter ? { ids, urgent: 0 } : order), [name, ids, order]);
  useEffect(() => {
    places.listed.value = ids;
  }, [ids]);
  useSignalEffect(() => {
    if (places.granted("list")) focusRow(places.cursor.peek() || desk.threads.current.peek()?.id || ids[0] || "");
  });
  const more = name === "queue" ? desk.lists.waiting.value - order.ids.length : 0;
  return (
    <div class="list-body" role="tabpanel" aria-labelledby={`tab-${name}`} data-me={me}>
      <Virtual entries={entries} cursor={places.cursor.value} label={t(`list.${name}`)} id="list" />
      {ids.length === 0 && desk.ready.value && <Empty name={name} filtered={filter !== ""} />}
      {more > 0 && <p class="list-more">{t("list.more", { n: more })}</p>}
    </div>
  );
}

function Empty({ name, filtered }: { name: ListName; filtered: boolean }) {
  const { desk } = useApp();
  const away = desk.myself.value !== undefined && desk.myself.value.state !== "available";
  return (
    <div class="list-empty">
      <p class="big">{filtered ? t("list.nothing_fits") : t(`list.empty_${name}`)}</p>
      {!filtered && name === "mine" && <p>{away ? t("list.empty_away") : t("list.empty_hint")}</p>}
    </div>
  );
}

function sections(name: ListName, ids: readonly string[], { urgent }: Order): Entry[] {
  const rows: Entry[] = ids.map((id) => ({ key: id, height: ROW, row: true, draw: () => <Row id={id} /> }));
  if (name === "queue" || urgent === 0) return rows;
  const head = (key: string, label: string): Entry => ({
    key,
    height: HEAD,
    row: false,
    draw: () => <span class="list-head">{label}</span>,
  });
  const rest = rows.length > urgent ? [head("-rest", t("list.rest", { n: rows.length - urgent }))] : [];
  return [head("-urgent", t("list.urgent", { n: urgent })), ...rows.slice(0, urgent), ...rest, ...rows.slice(urgent)];
}

function fits(summary: Summary | undefined, filter: string): boolean {
  if (!summary) return false;
  const { name, address, preview, channel, owner_name, rule } = summary;
  return `${name} ${address} ${preview} ${channel} ${owner_name} ${rule}`.toLocaleLowerCase().includes(filter);
}

/** Focuses a row, at once if it is there, else when the cursor has brought it in sight. */
function focusRow(id: string): void {
  const focus = () => {
    const row = document.getElementById(`row-${id}`);
    row?.focus({ preventScroll: true });
    return row !== null;
  };
  if (!focus()) requestAnimationFrame(focus);
}
