//! Events about pods and the node.
