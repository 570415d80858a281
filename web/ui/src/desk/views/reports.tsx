import { t } from "../words";

export function ReportsPage() {
  return (
    <section class="page" aria-label={t("page.reports")}>
      <h1>{t("page.reports")}</h1>
    </section>
  );
}
