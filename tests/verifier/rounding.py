"""Dependent rounding on a network: METHOD.md, "Rounding"."""

BATCH = 1 << 32


def round_network(tail, head, group, values, stream_of):
    """Rounds the values of all edges to whole batches; `group` is None where there is none.

    `stream_of` gives the stream of a label. Returns whole batches by edge."""
    whole = [value // BATCH for value in values]
    fraction = [value % BATCH for value in values]
    open_edges = [edge for edge, value in enumerate(fraction) if value]
    infinite = len(values) + 1
    open_edges.sort(key=lambda edge: (infinite if group[edge] is None else group[edge], edge))
    groups = max((g for g in group if g is not None), default=-1) + 1

    def settle(edges):
        return [edge for edge in edges if fraction[edge]]

    width = 1
    while groups:
        blocks = {}
        for edge in open_edges:
            if group[edge] is not None:
                blocks.setdefault(group[edge] // width, []).append(edge)
        for block, edges in blocks.items():
            phase(edges, tail, head, whole, fraction, stream_of(f"round/{width}/{block}"))
        open_edges = settle(open_edges)
        if width >= groups:
            break
        width *= 4
    phase(open_edges, tail, head, whole, fraction, stream_of("round/all"))
    if settle(open_edges):
        raise ValueError("the rounding left fractions: the values are no circulation")
    return whole


def phase(edges, tail, head, whole, fraction, stream):
    order = list(edges)
    stream.shuffle(order)
    live = set(order)
    # The edges at each node, the first in the shuffled order at the end of the list.
    at = {}
    for edge in reversed(order):
        at.setdefault(tail[edge], []).append(edge)
        at.setdefault(head[edge], []).append(edge)
    below = stream.below
    for start_edge in order:
        if start_edge not in live:
            continue
        node = tail[start_edge]
        nodes, path, place = [node], [], {node: 0}
        while True:
            arrival = path[-1] if path else None
            here = at[node]
            while here and here[-1] not in live:
                here.pop()
            found = None
            if here:
                if here[-1] != arrival:
                    found = here[-1]
                else:
                    k = len(here) - 2
                    while k >= 0 and here[k] not in live:
                        k -= 1
                    if k < len(here) - 2:
                        del here[k + 1 : -1]
                    if k >= 0:
                        found = here[k]
            if found is None:
                if not path:
                    break
                # On no cycle: it keeps its value.
                live.discard(path.pop())
                del place[nodes.pop()]
                node = nodes[-1]
                continue
            other = head[found] if tail[found] == node else tail[found]
            j = place.get(other)
            if j is None:
                path.append(found)
                place[other] = len(nodes)
                nodes.append(other)
                node = other
                continue
            cycle = path[j:]
            cycle.append(found)
            flows = [
                fraction[edge] if tail[edge] == nodes[j + i] else BATCH - fraction[edge]
                for i, edge in enumerate(cycle)
            ]
            plus, minus = BATCH - max(flows), min(flows)
            change = plus if below(plus + minus) < minus else -minus
            cut = None
            for i, edge in enumerate(cycle):
                flow = flows[i] + change
                value = flow if tail[edge] == nodes[j + i] else BATCH - flow
                if value == BATCH:
                    whole[edge] += 1
                    value = 0
                fraction[edge] = value
                if value == 0:
                    live.discard(edge)
                    if cut is None:
                        cut = i
            for gone in nodes[j + cut + 1 :]:
                del place[gone]
            del nodes[j + cut + 1 :]
            del path[j + cut :]
            node = nodes[-1]
