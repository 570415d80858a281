// Each kind of content as operators read it. Texts are only ever set as text.
import { useSignal } from "@preact/signals";
import { pieces } from "../../shared/links";
import { duration } from "../../shared/measures";
import { layoutUrl } from "../protocol/http";
import type { CallContent, Content, Media, TextContent } from "../protocol/wire";
import { coded, t } from "../words";
import { Icon } from "./icons";
import { FileView } from "./media";

interface Props {
  content: Content;
  outward: boolean;
  conversation: string;
  person: string;
}

export function ContentView({ content, outward, conversation, person }: Props) {
  const file = (media: Media) => (
    <FileView key={media.file.name} media={media} conversation={conversation} person={person} />
  );
  switch (content.kind) {
    case "text":
      return <TextView content={content} conversation={conversation} person={person} />;
    case "template":
      return <Said>{content.text}</Said>;
    case "media":
      return (
        <>
          {file(content)}
          {content.caption && <Said>{content.caption}</Said>}
        </>
      );
    case "choice":
      return (
        <>
          <Said>{content.text || content.chosen || ""}</Said>
          {content.options && (
            <ul class="choices">
              {content.options.map((option) => (
                <li key={option.id}>{option.label}</li>
              ))}
            </ul>
          )}
        </>
      );
    case "location":
      return (
        <p class="with-icon">
          <Icon name="pin" size={16} />
          <a
            href={`https://www.openstreetmap.org/?mlat=${content.latitude}&mlon=${content.longitude}`}
            target="_blank"
            rel="noopener noreferrer"
          >
            {content.name || content.address || `${content.latitude}, ${content.longitude}`}
          </a>
        </p>
      );
    case "contact":
      return (
        <div class="with-icon">
          <Icon name="person" size={16} />
          <Said>{[content.name, ...(content.phones ?? []), ...(content.emails ?? [])].join("\n")}</Said>
        </div>
      );
    case "reaction":
      return <span class={content.emoji ? "emoji" : "quiet"}>{content.emoji || t("content.reaction_gone")}</span>;
    case "edit":
      return (
        <>
          <p class="quiet">{t("content.edited")}</p>
          <Said>{content.text}</Said>
        </>
      );
    case "delete":
      return <p class="quiet">{t("content.deleted")}</p>;
    case "call":
      return (
        <>
          <p class="with-icon">
            <Icon name={content.event === "failed" ? "hangup" : "phone"} size={16} />
            <span>{callText(content, outward)}</span>
          </p>
          {content.recording && file(content.recording)}
        </>
      );
    case "form":
      return (
        <dl class="form-answers">
          {Object.entries(content.answers).map(([question, answer]) => (
            <div key={question}>
              <dt>{question}</dt>
              <dd>{answer}</dd>
            </div>
          ))}
        </dl>
      );
    case "rating":
      return (
        <>
          <p class="with-icon">
            <Icon name="star" size={16} />
            <span>{t("content.rating", { score: content.score, scale: content.scale ?? 5 })}</span>
          </p>
          {content.comment && <Said>{content.comment}</Said>}
        </>
      );
    case "unsupported":
      return <p class="quiet">{t("content.unsupported", { what: content.what })}</p>;
  }
}

/** Text with its line breaks; addresses can be followed. */
export function Said({ children }: { children: string }) {
  return (
    <div class="text" dir="auto">
      {pieces(children).map((piece, i) =>
        typeof piece === "string" ? (
          piece
        ) : (
          <a key={`${i}-${piece.href}`} href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
            {piece.text}
          </a>
        ),
      )}
    </div>
  );
}

function TextView({ content, conversation, person }: { content: TextContent; conversation: string; person: string }) {
  return (
    <>
      {content.subject && (
        <strong class="subject" dir="auto">
          {content.subject}
        </strong>
      )}
      {content.text && <Said>{content.text}</Said>}
      {content.full && content.full !== content.text && (
        <details>
          <summary>{t("content.quoted")}</summary>
          <div class="text quiet" dir="auto">
            {content.full}
          </div>
        </details>
      )}
      {content.html && <Layout url={layoutUrl(conversation, person, content.html.name)} />}
      {content.attachments
        ?.filter((media) => !media.inline)
        .map((media) => (
          <FileView key={media.file.name} media={media} conversation={conversation} person={person} />
        ))}
    </>
  );
}

/** A mail as its author laid it out, on demand, in a frame in which nothing runs. */
function Layout({ url }: { url: string }) {
  const open = useSignal(false);
  return (
    <details
      onToggle={(event) => {
        open.value = event.currentTarget.open;
      }}
    >
      <summary>{t("content.layout")}</summary>
      {open.value && (
        <iframe class="layout" title={t("content.layout_title")} sandbox="" referrerpolicy="no-referrer" src={url} />
      )}
    </details>
  );
}

function callText(content: CallContent, outward: boolean): string {
  const nowhere = outward && content.event === "ringing" && !content.to;
  const parts = [coded(outward ? "call.wish" : "call.event", nowhere ? "nowhere" : content.event)];
  if (content.to) parts.push(content.to);
  if (content.duration) parts.push(duration(content.duration));
  if (content.reason) parts.push(content.reason);
  return parts.join(" · ");
}
