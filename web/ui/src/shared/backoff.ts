// How long to wait before the next attempt to connect.

const FIRST = 500;
const LONGEST = 30_000;

/**
 * Gives the milliseconds to wait before attempt `attempt` (0 is the first one after a loss): twice as long each time up
 * to 30 s, times a random 0.5 to 1.5, so that thousands of pages do not come back in the same moment.
 */
export function pause(attempt: number, random: () => number = Math.random): number {
  return Math.min(FIRST * 2 ** attempt, LONGEST) * (0.5 + random());
}
