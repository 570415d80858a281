// Search over what is listed, until more can be asked.
import { useApp } from "../app";
import { t } from "../words";
import { Row } from "./row";

export function SearchPage() {
  const { desk, places } = useApp();
  const wanted = places.filter.value.trim().toLocaleLowerCase();
  const found = wanted
    ? [...desk.lists.all()].filter((each) =>
        `${each.name} ${each.address} ${each.preview}`.toLocaleLowerCase().includes(wanted),
      )
    : [];
  return (
    <section class="page" aria-label={t("page.search")}>
      <header class="page-head">
        <h1>{t("page.search")}</h1>
      </header>
      <input
        class="filter"
        type="search"
        value={places.filter.value}
        placeholder={t("list.filter")}
        aria-label={t("list.filter")}
        onInput={(event) => {
          places.filter.value = event.currentTarget.value;
        }}
      />
      {found.map((each) => (
        <Row key={each.id} id={each.id} />
      ))}
    </section>
  );
}
