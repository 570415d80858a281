// Files: pictures, sound and video in place, everything else to be fetched; and the viewer for pictures.
import { duration } from "../../shared/measures";
import { useApp } from "../app";
import { along } from "../keys/chords";
import { fileUrl } from "../protocol/http";
import type { Media } from "../protocol/wire";
import type { Picture } from "../store/places";
import { t } from "../words";
import { size } from "../words/times";
import { Dialog } from "./bits";
import { Icon } from "./icons";

const SHOWN = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

export function FileView({ media, conversation, person }: { media: Media; conversation: string; person: string }) {
  const { desk, places } = useApp();
  const url = fileUrl(conversation, person, media.file.name);
  const name = media.filename || media.type;
  if (SHOWN.has(media.type)) {
    const view = () => {
      const pictures = desk.threads.current.peek() ? picturesOf(document) : [];
      const at = pictures.findIndex((each) => each.url === url);
      places.ask({ kind: "picture", pictures: at < 0 ? [{ url, media }] : pictures, at: Math.max(0, at) });
    };
    return (
      <button type="button" class="picture" onClick={view} title={name}>
        <img
          src={url}
          alt={media.caption || media.filename || t("file.picture")}
          loading="lazy"
          {...(media.width && media.height ? { width: media.width, height: media.height } : {})}
          data-media={JSON.stringify(media)}
        />
      </button>
    );
  }
  if (media.type.startsWith("audio/")) {
    return (
      <div class="sound">
        {/* biome-ignore lint/a11y/useMediaCaption: nobody has written down what the customer says */}
        <audio controls preload="none" src={url} aria-label={t("file.voice")} />
        {media.duration ? <span class="quiet">{duration(media.duration)}</span> : null}
      </div>
    );
  }
  if (media.type.startsWith("video/")) {
    // biome-ignore lint/a11y/useMediaCaption: nobody has written down what the customer says
    return <video class="video" controls preload="metadata" src={url} aria-label={name} />;
  }
  return (
    <a class="file" href={url} target="_blank" rel="noopener">
      <Icon name="file" size={22} />
      <span class="file-name">{name}</span>
      <span class="quiet">{size(media.file.size)}</span>
    </a>
  );
}

/** The pictures on the screen, in order. */
function picturesOf(page: Document): Picture[] {
  return [...page.querySelectorAll<HTMLImageElement>(".timeline img[data-media]")].map((image) => ({
    url: image.getAttribute("src") ?? "",
    media: JSON.parse(image.dataset.media ?? "{}") as Media,
  }));
}

export function Viewer({ pictures, at }: { pictures: readonly Picture[]; at: number }) {
  const { places } = useApp();
  const picture = pictures[at];
  if (!picture) return null;
  const go = (by: number) => {
    const next = at + by;
    if (pictures[next]) places.ask({ kind: "picture", pictures, at: next });
  };
  const name = picture.media.filename || t("file.picture");
  return (
    <Dialog title={name} onClose={() => places.shut()} wide>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: keys of the buttons within bubble to here */}
      <div
        class="viewer"
        onKeyDown={(event) => {
          const by = along(event);
          if (by) go(by);
        }}
      >
        <img src={picture.url} alt={picture.media.caption || name} />
        <div class="viewer-deeds">
          <button type="button" class="button" disabled={at === 0} onClick={() => go(-1)}>
            {t("viewer.before")}
          </button>
          <span>{t("viewer.at", { at: at + 1, of: pictures.length })}</span>
          <button type="button" class="button" disabled={at === pictures.length - 1} onClick={() => go(1)}>
            {t("viewer.next")}
          </button>
          <a class="button" href={picture.url} download={picture.media.filename ?? ""}>
            <Icon name="download" /> {t("viewer.download")}
          </a>
        </div>
      </div>
    </Dialog>
  );
}
