"""Models, endpoint configurations and endpoints: create, describe, list, update, delete."""

from __future__ import annotations

from pegbox.api.paging import Handler, Pages
from pegbox.engine import Engine


def handlers(engine: Engine, pages: Pages) -> dict[str, Handler]:
    """Return the handlers of hosting operations by operation name."""
    commands, queries = engine.hosting_commands, engine.hosting_queries
    return {
        "CreateModel": commands.create_model,
        "DescribeModel": queries.describe_model,
        "ListModels": pages.handler("ListModels", queries.list_models),
        "DeleteModel": commands.delete_model,
        "CreateEndpointConfig": commands.create_endpoint_config,
        "DescribeEndpointConfig": queries.describe_endpoint_config,
        "ListEndpointConfigs": pages.handler("ListEndpointConfigs", queries.list_endpoint_configs),
        "DeleteEndpointConfig": commands.delete_endpoint_config,
        "CreateEndpoint": commands.create_endpoint,
        "DescribeEndpoint": queries.describe_endpoint,
        "ListEndpoints": pages.handler("ListEndpoints", queries.list_endpoints),
        "UpdateEndpoint": commands.update_endpoint,
        "UpdateEndpointWeightsAndCapacities": commands.update_endpoint_weights_and_capacities,
        "DeleteEndpoint": commands.delete_endpoint,
    }
