import { pause } from "../shared/backoff";

console.info(pause(0));
