/* What a shop would do with the chat: it tells what is in the bag, for rules and for the operator. */
(() => {
  "use strict";
  const bag = [];
  document.addEventListener("click", (event) => {
    const { add } = event.target.dataset;
    if (!add) return;
    bag.push(add);
    document.getElementById("cart").textContent = String(bag.length);
    window.Trunkline?.track?.("bag", { bag: bag.join(", ") });
  });
})();
