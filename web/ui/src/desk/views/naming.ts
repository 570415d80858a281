// How a customer is called where no name is known.
import type { Summary } from "../protocol/wire";
import { t } from "../words";

/** An address without its scheme; the one of a visitor of the chat says nothing, so it is cut short. */
export function addressShown(address: string): string {
  const [scheme = "", ...rest] = address.split(":");
  const value = rest.join(":");
  return scheme === "visitor" ? t("row.visitor", { code: value.slice(0, 4) }) : value || address;
}

/** The name, else the address. */
export const calledIn = ({ name, address, id }: Pick<Summary, "name" | "address" | "id">): string =>
  name || addressShown(address) || id;
