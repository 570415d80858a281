// Records a voice message with the microphone.

export const LONGEST = 5 * 60_000;

const TYPES = ["audio/webm;codecs=opus", "audio/mp4"];

/** Whether this browser can record. */
export function canRecord(): boolean {
  return typeof MediaRecorder !== "undefined" && !!navigator.mediaDevices?.getUserMedia;
}

export interface Recording {
  /** Ends it: gives the file and its length in ms. */
  stop(): Promise<{ file: File; length: number }>;
  discard(): void;
}

/** Asks for the microphone and begins. Throws if it may not be used. */
export async function record(): Promise<Recording> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type)) ?? "";
  const recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  const chunks: Blob[] = [];
  const started = Date.now();
  recorder.ondataavailable = (event) => chunks.push(event.data);
  const ended = new Promise<void>((resolve) => {
    recorder.onstop = () => resolve();
  });
  recorder.start(1000);
  const end = async () => {
    if (recorder.state !== "inactive") recorder.stop();
    for (const track of stream.getTracks()) track.stop();
    await ended;
  };
  return {
    async stop() {
      await end();
      const type = recorder.mimeType.split(";")[0] || "audio/webm";
      const name = `voice.${type.split("/")[1]}`;
      return { file: new File(chunks, name, { type }), length: Date.now() - started };
    },
    discard: () => void end(),
  };
}
