// Signed in or not.
import { useApp } from "../app";
import { t } from "../words";
import { Shell } from "./shell";
import { SignIn } from "./signin";

export function Root() {
  const { desk } = useApp();
  if (desk.starting.value) return <p class="unseen">{t("connection.connecting")}</p>;
  return desk.me.value ? <Shell /> : <SignIn />;
}
