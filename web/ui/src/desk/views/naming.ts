// How a customer is called where no name is known.
import type { Summary } from "../protocol/wire";
import { t } from "../words";

/** The name, else the address without its scheme; a visitor of the chat has none that says anything. */
export function calledIn({ name, address, id }: Pick<Summary, "name" | "address" | "id">): string {
  if (name) return name;
  const [scheme = "", ...rest] = address.split(":");
  const value = rest.join(":");
  return scheme === "visitor" ? t("row.visitor", { code: value.slice(0, 4) }) : value || address || id;
}
